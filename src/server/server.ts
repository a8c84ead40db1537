import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { LoadedConfig, ServerConfig } from '../config/index.js';
import type { CallScope, CancelReason, Finding } from '../core/index.js';
import type { EventSink } from '../events/index.js';
import { Breakers, ConcurrencyCaps, type State } from '../limits/index.js';
import { forgetPlaces } from '../manual/index.js';
import { CallsInFlight, type Gate } from '../pipeline/index.js';
import { createProtocols, type ProtocolRegistry } from '../protocols/index.js';
import { createSchemaCompiler } from '../schema/index.js';
import { describeAddress } from './address.js';
import { AdminListener, type Readiness } from './admin.js';
import { Anomalies } from './anomalies.js';
import { createApp } from './app.js';
import { readyTools } from './bound-tools.js';
import { drainGate, stopListening } from './drain.js';
import { collectAfterReload, collectAfterStart } from './garbage.js';
import type { CloseOptions, GatehouseServer, ServerDependencies } from './gatehouse-server.js';
import { buildGeneration, type GenerationParts } from './generation.js';
import { type Ground, openGround, reportToStandardError } from './ground.js';
import { refuseListenerSettings } from './guest.js';
import { describeBreaker, describeUpstream } from './health-event.js';
import { Identity } from './identity.js';
import { createListener, type Listener } from './listener.js';
import { refuseFailedChecklist, refuseFixedChanges } from './load-refusal.js';
import { createManualSigning } from './manual-signing.js';
import { Metrics } from './metrics.js';
import { Pressure } from './pressure.js';
import type { TraceExport } from './tracing.js';
import { registerRoutes } from './wiring.js';

export type { CloseOptions, GatehouseServer, ServerDependencies } from './gatehouse-server.js';

/** Wires a server for a loaded configuration. Throws LoadError when something that it names can't be used. */
export async function buildServer(loaded: LoadedConfig, deps: ServerDependencies = {}): Promise<GatehouseServer> {
  const listener = createListener(loaded.config.server);
  const app = createApp(loaded.config.server, listener);
  const server = await openServer(loaded, deps, { app, listener });
  await app.ready();
  return server;
}

/**
 * Wires a server into a part of an app that somebody else listens with: its routes stand under the part's prefix, and
 * it ends with the app. Gives what an operator should see of the load. Throws LoadError as `buildServer` does.
 */
export async function mountServer(
  app: FastifyInstance,
  loaded: LoadedConfig,
  deps: ServerDependencies = {},
): Promise<readonly Finding[]> {
  refuseListenerSettings(loaded);
  if (loaded.config.server.require_checklist) refuseFailedChecklist(loaded);
  const server = await openServer(loaded, deps, { app, listener: undefined });
  app.addHook('preClose', () => server.drain());
  app.addHook('onClose', () => server.release());
  app.server.once('listening', () => server.settleIn(deps.admin ?? false));
  return server.notices;
}

/** The app that a server is wired into, and its listener, unless that is another's. */
interface Place {
  readonly app: FastifyInstance;
  readonly listener: Listener | undefined;
}

async function openServer(loaded: LoadedConfig, deps: ServerDependencies, place: Place): Promise<Server> {
  const report = deps.report ?? reportToStandardError;
  const server = new Server(loaded, deps, await openGround(loaded, deps, report), place);
  try {
    await server.wire();
  } catch (error) {
    await server.release();
    throw error;
  }
  return server;
}

class Server implements GatehouseServer {
  readonly app: FastifyInstance;
  readonly sink: EventSink;
  readonly notices: Finding[];
  readonly #state: State;
  readonly #traces: TraceExport | undefined;
  readonly #pressure: Pressure;
  readonly metrics: Metrics;
  readonly #admin: AdminListener;
  readonly #breakers: Breakers;
  readonly #anomalies: Anomalies;
  readonly #identity: Identity;
  readonly #protocols: ProtocolRegistry;
  readonly #report: (line: string) => void;
  readonly #compiler = createSchemaCompiler();
  readonly #settings: ServerConfig;
  readonly #listener: Listener | undefined;
  readonly #hasAdmin: boolean;
  #loaded: LoadedConfig;
  #gate: Gate | undefined;
  #closing: Promise<void> | undefined;
  #stopCollecting: () => void = () => undefined;
  #url: string;

  constructor(loaded: LoadedConfig, deps: ServerDependencies, { sink, state, traces }: Ground, place: Place) {
    this.#loaded = loaded;
    this.sink = sink;
    this.#state = state;
    this.#traces = traces;
    this.#pressure = new Pressure(loaded.config.server.load_shedding);
    this.#settings = loaded.config.server;
    this.#report = deps.report ?? reportToStandardError;
    this.notices = [...loaded.notices];
    this.app = place.app;
    this.#listener = place.listener;
    this.#hasAdmin = deps.admin ?? true;
    this.#url = this.#locate();
    this.#protocols =
      deps.protocols ??
      createProtocols({
        report: (fact) => this.sink.emit(describeUpstream(fact)),
        mcp: loaded.config.mcp,
        tools: loaded.tools,
        report_fault: this.#report,
      });
    this.metrics = new Metrics({
      active: () => this.gate.active,
      cached_bytes: () => this.gate.generation.publisher.cached_bytes,
      tools: () => this.gate.generation.catalog.tools.length,
      upstreams: () => this.#protocols.health(),
      breakers: () => this.#breakers.states(),
      blocked_callers: () => state.blocks.list().size,
      state: () => state.status,
      log: () => sink.state(),
      event_loop_delay_s: () => this.#pressure.event_loop_delay_s,
      lost_spans: () => traces?.lost_spans ?? 0,
      draining: () => this.gate.draining,
    });
    sink.onEvent = (event) => this.metrics.countEvent(event);
    this.#admin = new AdminListener({
      metrics: this.metrics,
      readiness: () => this.readiness(),
      place: this.#settings.admin,
      report: this.#report,
    });
    this.#breakers = new Breakers(loaded.config.limits.circuit_breaker, (upstream, breaker) =>
      sink.emit(describeBreaker(upstream, breaker)),
    );
    this.#anomalies = new Anomalies({
      sink,
      blocks: state.blocks,
      endCalls: (caller) => this.#endCalls('caller_blocked', (scope) => scope.caller === caller),
      report: this.#report,
    });
    this.#identity = new Identity(
      this.sink,
      () => this.#url,
      state,
      (isRevoked) =>
        this.#endCalls('credential_revoked', ({ principal }) => principal !== undefined && isRevoked(principal)),
    );
  }

  get gate(): Gate {
    if (!this.#gate) throw new Error('the server is not wired yet');
    return this.#gate;
  }

  get admin_url(): string | undefined {
    return this.#admin.url;
  }

  get listener_url(): string {
    return describeAddress(this.app, this.#settings, !this.#listener);
  }

  async wire(): Promise<void> {
    await this.#identity.register();
    this.#anomalies.follow(this.#loaded);
    await this.#pressure.open();
    this.#gate = {
      generation: buildGeneration(this.#loaded, this.#parts(this.#loaded), this.notices),
      limiter: this.#state.limiter,
      addressLimiter: this.#state.addressLimiter,
      sink: this.sink,
      blocks: this.#state.blocks,
      observe: (exchange, _status, duration_ms) => {
        this.metrics.observe(exchange, duration_ms);
        this.#anomalies.observe(exchange);
      },
      caps: new ConcurrencyCaps(this.#loaded.config.limits.concurrency),
      leaving: false,
      readPressure: () => this.#pressure.read(),
      ...(this.#traces && { tracing: this.#traces.tracing }),
      draining: false,
      active: 0,
      streams: new CallsInFlight(),
      calls: new CallsInFlight(),
    };
    this.#identity.settle();
    await this.#protocols.start();
    await registerRoutes(this.app, {
      gate: this.#gate,
      settings: this.#settings,
      is_guest: this.#listener === undefined,
      readUrl: () => this.#url,
      report: this.#report,
    });
  }

  async listen(): Promise<string> {
    const { host, port } = this.#settings;
    if (this.#settings.require_checklist) refuseFailedChecklist(this.#loaded);
    await this.app.listen({ host, port });
    if (this.#hasAdmin) await this.#admin.listen();
    this.#arrive();
    return this.#url;
  }

  /** The app listens: from here on, manuals name the address that callers reach it by. */
  #arrive(): void {
    const url = this.#locate();
    // With a public URL or a port of its own it was known before; a thousand tools are not bound twice then.
    if (url !== this.#url) {
      this.#url = url;
      this.gate.generation = buildGeneration(this.#loaded, this.#parts(this.#loaded));
    }
    this.#settle();
    collectAfterStart(this.gate.generation.runtimes.length);
  }

  /** The app that this is a part of listens. An event's listener that throws would end the app. */
  settleIn(hasAdmin: boolean): void {
    try {
      this.#arrive();
    } catch (error) {
      this.#report(
        `Manuals go on with the URL ${this.#url}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (hasAdmin) void this.#admin.listen();
  }

  async apply(loaded: LoadedConfig): Promise<void> {
    (await this.prepare(loaded))();
  }

  async prepare(loaded: LoadedConfig): Promise<() => void> {
    refuseFixedChanges(this.#loaded, loaded);
    if (this.#settings.require_checklist) refuseFailedChecklist(loaded);
    const next = buildGeneration(loaded, this.#parts(loaded));
    await this.#protocols.start();
    return () => {
      this.#anomalies.follow(loaded);
      this.gate.generation = next;
      this.gate.caps.follow(loaded.config.limits.concurrency);
      this.#breakers.follow(loaded.config.limits.circuit_breaker);
      this.#loaded = loaded;
      this.#settle();
      this.#stopCollecting();
      this.#stopCollecting = collectAfterReload(next.runtimes.length);
    };
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async #close({ at_once }: CloseOptions): Promise<void> {
    this.gate.leaving = true;
    this.#listener?.leave();
    if (!at_once && this.app.server.listening) await wait(this.#settings.drain_delay_ms);
    await stopListening(this.app, this.gate);
    await this.drain();
    this.#listener?.destroy();
    await this.app.close();
    await this.release();
  }

  /** Lets what is in flight finish within the drain time, and cancels what does not. */
  drain(): Promise<void> {
    return drainGate(this.gate, this.#settings.drain_timeout_ms);
  }

  /** Ends everything but the app. */
  async release(): Promise<void> {
    this.#stopCollecting();
    await this.#admin.close();
    await this.#protocols.close();
    await this.#identity.close();
    await this.#anomalies.close();
    await this.#pressure.close();
    await this.#state.close();
    await this.#traces?.close();
    await this.sink.close();
  }

  readiness(): Readiness {
    const upstreams = this.#protocols.health();
    const log = this.sink.state();
    const isWell =
      upstreams.every(({ state }) => state === 'up') && log.status === 'ok' && this.#state.status !== 'degraded';
    return {
      status: this.gate.leaving ? 'draining' : isWell ? 'ok' : 'degraded',
      state: this.#state.status,
      security_log: log,
      upstreams,
      breakers: Object.fromEntries(this.#breakers.states()),
      tools: this.gate.generation.catalog.tools.length,
    };
  }

  /** What a generation that has just come into force asks for. */
  #settle(): void {
    this.#loaded = { ...this.#loaded, manuals: this.#loaded.manuals.map(forgetPlaces) };
    this.#identity.settle();
    const { publisher, runtimes, anchors, catalog, config_digest, policy_digest } = this.gate.generation;
    publisher.prepare();
    void publisher.warm();
    // A few tools are compiled at once; thousands, each when it is first called, or the start would wait for all.
    if (runtimes.length <= readyTools) for (const runtime of runtimes) runtime.prepareInputs();
    this.#breakers.retain(new Set(runtimes.map(({ upstream }) => upstream)));
    this.#protocols.retain(anchors);
    this.sink.emit({
      event: 'config.loaded',
      outcome: 'success',
      config_digest,
      manual_digest: catalog.digest,
      policy_digest,
      tools: catalog.tools.length,
    });
  }

  #endCalls(reason: CancelReason, isMeant: (scope: CallScope) => boolean): void {
    for (const scopes of [this.#gate?.streams ?? [], this.#gate?.calls ?? []]) {
      for (const scope of scopes) if (isMeant(scope)) scope.cancel(reason);
    }
  }

  /** Where callers reach the routes, prefix included; a guess until the app listens. */
  #locate(): string {
    return `${this.#settings.public_url ?? this.listener_url}${this.app.prefix}`;
  }

  #parts(loaded: LoadedConfig): GenerationParts {
    return {
      protocols: this.#protocols,
      compiler: this.#compiler,
      identity: this.#identity.build(loaded),
      breakers: this.#breakers,
      signing: createManualSigning(loaded),
      on_view: (known) => this.metrics.countView(known),
      public_url: this.#url,
    };
  }
}
