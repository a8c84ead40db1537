import { setTimeout as wait } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { renderChallenge } from '../auth/index.js';
import { answerChecklist, describeChecklist, type LoadedConfig, type ServerConfig } from '../config/index.js';
import { type ErrorCode, type Finding, type GatehouseError, LoadError, type PreparedCall } from '../core/index.js';
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
import { registerCallRoutes } from '../routes/call.js';
import { createErrorResponder } from '../routes/errors.js';
import { registerHealthRoutes } from '../routes/health.js';
import { registerManualRoutes } from '../routes/manual.js';
import { registerOauthRoutes } from '../routes/oauth.js';
import { installWebsockets, registerWebsocketRoute } from '../routes/websocket.js';
import { createSchemaCompiler } from '../schema/index.js';
import { createAdmin, type Readiness } from './admin.js';
import { Anomalies } from './anomalies.js';
import { createApp, installExchange } from './app.js';
import { buildGeneration, type GenerationParts } from './generation.js';
import { Identity } from './identity.js';
import { createManualSigning } from './manual-signing.js';
import { Metrics } from './metrics.js';
import { computeStandardHeaders } from './standard-headers.js';

export interface ServerDependencies {
  /** Where security events go; the configured log when absent. */
  readonly sink?: EventSink;
  /** The protocols that templates are bound to; all of them when absent. */
  readonly protocols?: ProtocolRegistry;
  /** Takes a line for the operator; standard error when absent. */
  readonly report?: (line: string) => void;
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
  /** Takes nothing new, lets what is in flight finish within the drain time, ends everything. */
  close(): Promise<void>;
}

/** Wires a server for a loaded configuration. Throws LoadError when something that it names can't be used. */
export async function buildServer(loaded: LoadedConfig, deps: ServerDependencies = {}): Promise<GatehouseServer> {
  const sink = deps.sink ?? openSink(loaded, deps.report ?? reportToStandardError);
  const state = await openSharedState(loaded, sink, deps.report ?? reportToStandardError);
  const server = new Server(loaded, deps, sink, state);
  await server.wire();
  return server;
}

class Server implements GatehouseServer {
  readonly app: FastifyInstance;
  readonly sink: EventSink;
  readonly notices: Finding[];
  readonly #state: State;
  readonly #metrics: Metrics;
  readonly #admin: FastifyInstance;
  readonly #breakers: Breakers;
  readonly #anomalies: Anomalies;
  readonly #identity: Identity;
  readonly #protocols: ProtocolRegistry;
  readonly #report: (line: string) => void;
  readonly #compiler = createSchemaCompiler();
  readonly #settings: ServerConfig;
  #loaded: LoadedConfig;
  #gate: Gate | undefined;
  #url: string;

  constructor(loaded: LoadedConfig, deps: ServerDependencies, sink: EventSink, state: State) {
    this.#loaded = loaded;
    this.sink = sink;
    this.#state = state;
    this.#settings = loaded.config.server;
    this.#report = deps.report ?? reportToStandardError;
    this.notices = [...loaded.notices];
    this.#url = this.#settings.public_url ?? localUrl(this.#settings, this.#settings.port);
    this.app = createApp(this.#settings);
    this.#protocols =
      deps.protocols ??
      createProtocols({ report: (fact) => this.sink.emit(describeUpstream(fact)), mcp: loaded.config.mcp });
    this.#metrics = new Metrics({
      active: () => this.gate.active,
      cached_bytes: () => this.gate.generation.publisher.cached_bytes,
      lost_events: () => sink.state().lost,
      upstreams: () =>
        new Map(this.#protocols.health().map(({ upstream, state: is }) => [upstream, is === 'up' ? 1 : 0])),
    });
    this.#admin = createAdmin(this.#metrics, () => this.#readiness());
    this.#breakers = new Breakers(loaded.config.limits.circuit_breaker, (upstream, breaker) =>
      sink.emit(describeBreaker(upstream, breaker)),
    );
    this.#anomalies = new Anomalies({ sink, blocks: state.blocks, report: this.#report });
    this.#identity = new Identity(this.app, this.sink, () => this.#url, state);
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
    return localUrl(this.#settings, portOf(this.app));
  }

  async wire(): Promise<void> {
    await this.#identity.register();
    this.#anomalies.follow(this.#loaded);
    this.#gate = {
      generation: buildGeneration(this.#loaded, this.#parts(this.#loaded), this.notices),
      limiter: this.#state.limiter,
      addressLimiter: this.#state.addressLimiter,
      sink: this.sink,
      blocks: this.#state.blocks,
      observe: (exchange, _status, duration_ms) => {
        this.#metrics.observe(exchange, duration_ms);
        this.#anomalies.observe(exchange);
      },
      caps: new ConcurrencyCaps(this.#loaded.config.limits.concurrency),
      draining: false,
      active: 0,
      streams: new Set(),
      calls: new Set(),
    };
    this.#identity.settle();
    await this.#protocols.start();
    await this.#registerRoutes(this.#gate);
    await this.app.ready();
  }

  async listen(): Promise<string> {
    const { host, port, public_url } = this.#settings;
    if (this.#settings.require_checklist) refuseFailedChecklist(this.#loaded);
    await this.app.listen({ host, port });
    await this.#listenAdmin();
    this.#url = public_url ?? this.listener_url;
    this.gate.generation = buildGeneration(this.#loaded, this.#parts(this.#loaded));
    this.#settle();
    return this.#url;
  }

  async apply(loaded: LoadedConfig): Promise<void> {
    refuseFixedChanges(this.#loaded, loaded);
    const next = buildGeneration(loaded, this.#parts(loaded));
    await this.#protocols.start();
    this.#anomalies.follow(loaded);
    this.gate.generation = next;
    this.#loaded = loaded;
    this.#settle();
  }

  async close(): Promise<void> {
    this.gate.draining = true;
    for (const scope of this.gate.streams) scope.cancel('draining');
    await this.#drain();
    await this.app.close();
    await this.#admin.close();
    await this.#protocols.close();
    await this.#identity.close();
    await this.#anomalies.close();
    await this.#state.close();
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

  #readiness(): Readiness {
    const upstreams = this.#protocols.health();
    const log = this.sink.state();
    const isWell =
      upstreams.every(({ state }) => state === 'up') && log.status === 'ok' && this.#state.status !== 'degraded';
    return {
      status: this.gate.draining ? 'draining' : isWell ? 'ok' : 'degraded',
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
    // A few tools are compiled at once; thousands, each when it is first called, or the start would wait for all.
    if (runtimes.length <= 200) for (const runtime of runtimes) runtime.prepareInputs();
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

  async #drain(): Promise<void> {
    const deadline = performance.now() + this.#settings.drain_timeout_ms;
    while (this.gate.active > 0 && performance.now() < deadline) await wait(10);
    for (const scope of this.gate.calls) scope.cancel('draining');
    // What was just cancelled answers with 503 before its connection goes.
    const grace = performance.now() + 500;
    while (this.gate.active > 0 && performance.now() < grace) await wait(10);
    this.app.server.closeAllConnections();
  }

  #parts(loaded: LoadedConfig): GenerationParts {
    return {
      protocols: this.#protocols,
      compiler: this.#compiler,
      identity: this.#identity.build(loaded),
      breakers: this.#breakers,
      signing: createManualSigning(loaded),
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
    const isSecure = this.#settings.tls !== undefined || this.#url.startsWith('https:');
    const { record } = installExchange(this.app, gate, errors, await computeStandardHeaders(isSecure));
    await installWebsockets(this.app, this.#settings.websocket);
    registerManualRoutes(this.app, gate);
    registerCallRoutes(this.app, gate, record);
    registerWebsocketRoute(this.app, { gate, record, report }, this.#settings.websocket);
    await registerOauthRoutes(this.app, gate);
    registerHealthRoutes(this.app, gate);
  }
}

function reportToStandardError(line: string): void {
  process.stderr.write(`${line}\n`);
}

function openSharedState(loaded: LoadedConfig, sink: EventSink, report: (line: string) => void): Promise<State> {
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

function openSink(loaded: LoadedConfig, report: (line: string) => void): EventSink {
  const { variables } = loaded;
  const readVariable = (name: string) => (variables.has(name) ? variables.load(name) : undefined);
  return createEventSink({ config: loaded.config.security_log, readVariable, report });
}

function refuseFixedChanges(old: LoadedConfig, next: LoadedConfig): void {
  const fixed = ['server', 'security_log', 'state', 'example'] as const;
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

function portOf(app: FastifyInstance): number {
  const address = app.server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

// An unspecified address is no place that a caller can go to.
function localUrl(settings: ServerConfig, port: number): string {
  const host = settings.host === '0.0.0.0' || settings.host === '::' ? '127.0.0.1' : settings.host;
  const name = host.includes(':') ? `[${host}]` : host;
  return `${settings.tls ? 'https' : 'http'}://${name}:${port}`;
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
