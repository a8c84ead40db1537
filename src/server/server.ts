import { setImmediate as immediate, setTimeout as wait } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { renderChallenge } from '../auth/index.js';
import { answerChecklist, describeChecklist, type LoadedConfig, type ServerConfig } from '../config/index.js';
import {
  type CallScope,
  type CancelReason,
  type ErrorCode,
  type Finding,
  type GatehouseError,
  LoadError,
  type PreparedCall,
} from '../core/index.js';
import { createEventSink, type EventSink, type SecurityEvent } from '../events/index.js';
import {
  type BreakerState,
  Breakers,
  ConcurrencyCaps,
  openState,
  type RedisReason,
  type State,
  type StoreStatus,
} from '../limits/index.js';
import type { Gate } from '../pipeline/index.js';
import { createProtocols, type ProtocolRegistry, type UpstreamReport } from '../protocols/index.js';
import { createAnswers } from '../routes/answer.js';
import { registerCallRoutes } from '../routes/call.js';
import { createErrorResponder } from '../routes/errors.js';
import { registerHealthRoutes } from '../routes/health.js';
import { registerManualRoutes } from '../routes/manual.js';
import { registerOauthRoutes } from '../routes/oauth.js';
import { refuseStrayHandshakes, registerWebsocketRoute, takesWebsockets } from '../routes/websocket.js';
import { createSchemaCompiler } from '../schema/index.js';
import { describeAddress, isSecure } from './address.js';
import { createAdmin, type Readiness } from './admin.js';
import { Anomalies } from './anomalies.js';
import { createApp, installExchange } from './app.js';
import { CountingSink } from './counting-sink.js';
import { buildGeneration, type GenerationParts } from './generation.js';
import { refuseListenerSettings } from './guest.js';
import { Identity } from './identity.js';
import { createListener, type Listener } from './listener.js';
import { createManualSigning } from './manual-signing.js';
import { Metrics } from './metrics.js';
import { Pressure } from './pressure.js';
import { computeStandardHeaders } from './standard-headers.js';
import type { TraceExport } from './tracing.js';

/** What a program hands a server in place of what the configuration would make. */
export interface ServerDependencies {
  /** Where security events go; the configured log when absent. */
  readonly sink?: EventSink;
  /** The protocols that templates are bound to; all of them when absent. */
  readonly protocols?: ProtocolRegistry;
  /** Takes a line for the operator; standard error when absent. */
  readonly report?: (line: string) => void;
  /** What is shared with others that serve the same; opened from the configuration when absent. */
  readonly state?: State;
  /** Whether to open the admin listener: false where another process has it, and unless told within another's app. */
  readonly admin?: boolean;
}

/** How long new calls are refused before the listener closes, at most, and how long it has to be quiet before. */
const refusal_ms = 2000;
const quiet_ms = 200;

export interface CloseOptions {
  /** Goes without `drain_delay_ms`: there is no gateway that would have to notice. */
  readonly at_once?: boolean;
}

/** A server that is wired and checked; it listens when it is told to. */
export interface GatehouseServer {
  readonly app: FastifyInstance;
  readonly gate: Gate;
  readonly sink: EventSink;
  /** Warnings of the load that an operator should see. */
  readonly notices: readonly Finding[];
  /** Where the admin listener is; undefined while it is not listening. */
  readonly admin_url: string | undefined;
  /** Where the public listener itself is, whatever URL callers reach it by. */
  readonly listener_url: string;
  /** Listens, and gives the URL that callers reach it by. */
  listen(): Promise<string>;
  /**
   * Puts another configuration in force, whole, between two requests. Throws LoadError and changes nothing when it
   * can't be used, or when it changes `server` or `security_log`, which are read at the start alone.
   */
  apply(loaded: LoadedConfig): Promise<void>;
  /** As `apply` in two steps: builds and checks, and gives what puts it in force. */
  prepare(loaded: LoadedConfig): Promise<() => void>;
  /** What the admin listener shows, where it is not this server's. */
  readonly metrics: Metrics;
  readiness(): Readiness;
  /** Says that it goes, then takes nothing new, lets what is in flight finish within the drain time, ends everything. */
  close(options?: CloseOptions): Promise<void>;
}

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
  const traces = await openTraces(loaded, report);
  const sink = new CountingSink(deps.sink ?? openSink(loaded, report));
  const state = deps.state ?? (await openSharedState(loaded, sink, report));
  const server = new Server(loaded, deps, { sink, state, traces }, place);
  try {
    await server.wire();
  } catch (error) {
    await server.release();
    throw error;
  }
  return server;
}

/** What is opened ahead of the server and ends with it. */
interface Ground {
  readonly sink: CountingSink;
  readonly state: State;
  readonly traces: TraceExport | undefined;
}

class Server implements GatehouseServer {
  readonly app: FastifyInstance;
  readonly sink: EventSink;
  readonly notices: Finding[];
  readonly #state: State;
  readonly #traces: TraceExport | undefined;
  readonly #pressure: Pressure;
  readonly metrics: Metrics;
  readonly #admin: FastifyInstance;
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
    this.#admin = createAdmin(this.metrics, () => this.readiness());
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
    const address = this.#admin.server.address();
    return typeof address === 'object' && address ? `http://${this.#settings.admin.host}:${address.port}` : undefined;
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
      streams: new Set(),
      calls: new Set(),
    };
    this.#identity.settle();
    await this.#protocols.start();
    await this.#registerRoutes(this.#gate);
  }

  async listen(): Promise<string> {
    const { host, port } = this.#settings;
    if (this.#settings.require_checklist) refuseFailedChecklist(this.#loaded);
    await this.app.listen({ host, port });
    if (this.#hasAdmin) await this.#listenAdmin();
    this.arrive();
    return this.#url;
  }

  /** The app listens: from here on, manuals name the address that callers reach it by. */
  arrive(): void {
    this.#url = this.#locate();
    this.gate.generation = buildGeneration(this.#loaded, this.#parts(this.#loaded));
    this.#settle();
  }

  /** The app that this is a part of listens. An event's listener that throws would end the app. */
  settleIn(hasAdmin: boolean): void {
    try {
      this.arrive();
    } catch (error) {
      this.#report(
        `Manuals go on with the URL ${this.#url}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (hasAdmin) void this.#listenAdmin();
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
    };
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async #close({ at_once }: CloseOptions): Promise<void> {
    this.gate.leaving = true;
    this.#listener?.leave();
    if (!at_once && this.app.server.listening && this.#settings.drain_delay_ms > 0) await this.#takeLeave();
    await this.#stopListening();
    await this.drain();
    this.#listener?.destroy();
    await this.app.close();
    await this.release();
  }

  /**
   * Serves on while gateways that ask for readiness notice; then refuses, which tells those that don't to ask elsewhere,
   * until no more connections come. To stop listening first would reset those that are made and not yet taken.
   */
  async #takeLeave(): Promise<void> {
    await wait(this.#settings.drain_delay_ms);
    this.gate.draining = true;
    let last_ms = performance.now();
    const deadline = last_ms + refusal_ms;
    this.app.server.on('connection', () => {
      last_ms = performance.now();
    });
    while (performance.now() < Math.min(deadline, last_ms + quiet_ms)) await wait(10);
  }

  async #stopListening(): Promise<void> {
    if (!this.app.server.listening) return;
    await immediate();
    this.app.server.close();
  }

  /** Lets what is in flight finish within the drain time, and cancels what does not. */
  async drain(): Promise<void> {
    this.gate.leaving = true;
    this.gate.draining = true;
    for (const scope of this.gate.streams) scope.cancel('draining');
    await this.#drain();
  }

  /** Ends everything but the app. */
  async release(): Promise<void> {
    await this.#admin.close();
    await this.#protocols.close();
    await this.#identity.close();
    await this.#anomalies.close();
    await this.#pressure.close();
    await this.#state.close();
    await this.#traces?.close();
    await this.sink.close();
  }

  // Metrics are worth less than service: a taken port is told and the server goes on without them.
  async #listenAdmin(): Promise<void> {
    const { host, port } = this.#settings.admin;
    try {
      await this.#admin.listen({ host, port });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      this.#report(
        `The admin listener cannot open ${host}:${port} (${code}); set server.admin.port. There are no metrics.`,
      );
    }
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
    this.#identity.settle();
    const { publisher, runtimes, catalog, config_digest, policy_digest } = this.gate.generation;
    publisher.prepare();
    void publisher.warm();
    // A few tools are compiled at once; thousands, each when it is first called, or the start would wait for all.
    if (runtimes.length <= 200) for (const runtime of runtimes) runtime.prepareInputs();
    this.#breakers.retain(new Set(runtimes.map(({ upstream }) => upstream)));
    this.#protocols.retain(new Set(runtimes.flatMap(({ prepared }): PreparedCall[] => (prepared ? [prepared] : []))));
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

  async #drain(): Promise<void> {
    const deadline = performance.now() + this.#settings.drain_timeout_ms;
    while (this.gate.active > 0 && performance.now() < deadline) await wait(10);
    for (const scope of this.gate.calls) scope.cancel('draining');
    // What was just cancelled answers with 503 before its connection goes.
    const grace = performance.now() + 500;
    while (this.gate.active > 0 && performance.now() < grace) await wait(10);
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

  async #registerRoutes(gate: Gate): Promise<void> {
    const report = (error: GatehouseError, request_id: string) =>
      this.#report(`internal error in request ${request_id}: ${error.stack ?? error.message}`);
    const errors = createErrorResponder({
      challenge: (error, scope) => renderChallenge(this.#url, toBearerError(error), scope),
      report,
    });
    const headers = await computeStandardHeaders(isSecure(this.app) || this.#url.startsWith('https:'));
    const answers = createAnswers(gate, headers, this.#listener === undefined);
    const { record } = installExchange(this.app, {
      gate,
      errors,
      answers,
      max_body_bytes: this.#settings.max_body_bytes,
      owns_unknown_paths: !!this.#listener || this.app.prefix !== '',
    });
    // Taking upgrades for an app that does not would answer those that other parts of it wait for.
    const hasWebsockets = !!this.#listener || takesWebsockets(this.app);
    if (hasWebsockets) refuseStrayHandshakes(this.app);
    registerManualRoutes(this.app, gate, answers);
    registerCallRoutes(this.app, {
      gate,
      record,
      answers,
      max_body_bytes: this.#settings.max_body_bytes,
      is_guest: this.#listener === undefined,
    });
    if (hasWebsockets) await registerWebsocketRoute(this.app, { gate, record, report }, this.#settings.websocket);
    await registerOauthRoutes(this.app, gate);
    registerHealthRoutes(this.app, gate);
  }
}

function reportToStandardError(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function openTraces(loaded: LoadedConfig, report: (line: string) => void): Promise<TraceExport | undefined> {
  const { tracing } = loaded.config;
  if (!tracing) return undefined;
  const { openTracing } = await import('./tracing.js');
  return openTracing({ config: tracing, readVariable: (name) => loaded.variables.load(name), report });
}

/** What the configuration says is shared: on Redis, or in this process's memory. */
export function openSharedState(loaded: LoadedConfig, sink: EventSink, report: (line: string) => void): Promise<State> {
  const { state } = loaded.config;
  const redis_url =
    state.redis_url_variable === undefined ? undefined : loaded.variables.load(state.redis_url_variable);
  return openState({
    config: state,
    redis_url,
    report,
    ...(state.blocks_dir !== undefined && { blocks_dir: state.blocks_dir }),
    onChange: (status, reason) => sink.emit(describeState(status, reason)),
  });
}

function describeState(status: StoreStatus, reason: RedisReason): SecurityEvent {
  return status === 'degraded'
    ? { event: 'state.degraded', outcome: 'failure', reason, store: 'redis' }
    : { event: 'state.restored', outcome: 'success', reason, store: 'redis' };
}

function describeBreaker(upstream: string, state: BreakerState): SecurityEvent {
  const outcome = state === 'open' ? 'failure' : 'success';
  return { event: 'upstream.failed', outcome, upstream, reason: `breaker_${state}` };
}

/** The configured security log. */
export function openSink(loaded: LoadedConfig, report: (line: string) => void): EventSink {
  const { variables } = loaded;
  const readVariable = (name: string) => (variables.has(name) ? variables.load(name) : undefined);
  return createEventSink({ config: loaded.config.security_log, readVariable, report });
}

function refuseFixedChanges(old: LoadedConfig, next: LoadedConfig): void {
  const fixed = ['server', 'security_log', 'state', 'tracing', 'example'] as const;
  const changed = fixed.filter((key) => JSON.stringify(old.config[key]) !== JSON.stringify(next.config[key]));
  if (changed.length === 0) return;
  throw new LoadError(
    changed.map((key) => ({
      rule: 'needs-restart',
      severity: 'error',
      file: next.file,
      pointer: `/${key}`,
      message: `${key} is read at the start and cannot change while the server runs.`,
      mend: 'Restart the server, or change it back.',
    })),
  );
}

// RFC 6750 section 3.1 has these codes; a request without a credential gets none.
function toBearerError(code: ErrorCode | undefined): 'invalid_token' | 'insufficient_scope' | undefined {
  if (code === 'insufficient_scope') return code;
  return code === undefined ? undefined : 'invalid_token';
}

function refuseFailedChecklist(loaded: LoadedConfig): void {
  const failures = describeChecklist(answerChecklist(loaded), loaded);
  if (failures.length > 0) throw new LoadError(failures);
}

function describeUpstream(fact: UpstreamReport): SecurityEvent {
  const tool = fact.tool === undefined ? {} : { tool: fact.tool };
  return {
    event: 'upstream.failed',
    outcome: fact.kind === 'recovered' || fact.kind === 'restarted' ? 'success' : 'failure',
    upstream: fact.upstream,
    reason: fact.reason,
    ...tool,
  };
}
