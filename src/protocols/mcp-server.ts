import type { CallToolResult } from '@modelcontextprotocol/client';
import { type Arguments, type CallScope, GatehouseError } from '../core/index.js';
import type { McpSettings } from './mcp-config.js';
import type { McpTool } from './mcp-definition.js';
import { type McpProblem, toCallError, toLoss, toProblem } from './mcp-errors.js';
import type { ProgressListener } from './mcp-progress.js';
import { type Handshake, type McpConnection, McpSession } from './mcp-session.js';
import { Turnstile } from './mcp-turnstile.js';
import type { UpstreamHealth, UpstreamReport } from './protocol.js';

/** A connection that stood this long starts the pauses between restarts over. */
const stableMs = 10_000;
const firstPauseMs = 100;
/** A call waits for a restart that is this near; for a later one it is told to come back. */
const nearMs = 2_000;
/** How many events of the server (a failed start, a look at its tools) a call waits through. */
const maxTurns = 3;
/** A health check takes as long as its interval at most, within these. */
const healthTimeoutMs = { least: 500, most: 5_000 };
/** Health checks missed in a row before a server that still holds its connection is restarted. */
const maxMissedChecks = 3;

/** How to connect to one server. */
export interface ServerSpec {
  /** The server's name in reports and health. */
  readonly label: string;
  readonly kind: 'stdio' | 'http';
  /** Makes a connection that is not open yet. May throw. */
  connect(): McpConnection;
}

/** What the supervisor tells its owner. */
export interface ServerObserver {
  report(report: UpstreamReport): void;
  /** Called with the tools before any call is made of them: after each connection, change and health check. */
  onTools(server: McpServer, tools: ReadonlyMap<string, McpTool>): void;
}

/** Which tool a call is of, and whether it may go on. */
export interface Admission {
  readonly tool: string;
  readonly timeout_ms: number;
  /** Gives the tool to call; throws GatehouseError for one that is gone or quarantined. */
  admit(tool: McpTool | undefined): McpTool;
}

/** What a streamed call has beside a plain one. */
export interface ProgressStream {
  readonly onProgress: ProgressListener;
  /** Ends the call; the scope's own end is in it. */
  readonly signal: AbortSignal;
}

/** What a tool answered, and the definition that it answered by. */
export interface McpAnswer {
  readonly tool: McpTool;
  readonly result: CallToolResult;
}

/**
 * One MCP server, shared by all tools with its configuration: started once, checked, and started again when it ends,
 * with pauses that double up to a ceiling. A call under way when the server ends fails and is not repeated: whether it
 * had an effect is not known.
 */
export class McpServer {
  readonly #spec: ServerSpec;
  readonly #settings: McpSettings;
  readonly #checkTimeoutMs: number;
  readonly #observer: ServerObserver;
  readonly #turnstile = new Turnstile();
  #session: McpSession | undefined;
  #connecting: McpConnection | undefined;
  #opening: Promise<void> | undefined;
  #verifying = false;
  #verifyAgain = false;
  #handshake: Handshake = 'auto';
  #problem: McpProblem | undefined;
  #failures = 0;
  #openedAt = 0;
  #retryAt = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #healthTimer: NodeJS.Timeout | undefined;
  #missedChecks = 0;
  #calls = 0;
  #retired: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(spec: ServerSpec, settings: McpSettings, observer: ServerObserver) {
    this.#spec = spec;
    this.#settings = settings;
    this.#checkTimeoutMs = Math.min(Math.max(settings.health_interval_ms, healthTimeoutMs.least), healthTimeoutMs.most);
    this.#observer = observer;
  }

  /** The tools of the connection that stands; undefined while none does. */
  get tools(): ReadonlyMap<string, McpTool> | undefined {
    return this.#session?.tools;
  }

  /** Starts the server unless it runs. Resolves when it is up or the try has failed; never rejects. */
  async start(): Promise<void> {
    if (this.#session || this.#closed) return;
    clearTimeout(this.#retryTimer);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
      this.#turnstile.open();
    });
    await this.#opening;
  }

  /** Calls a tool. Rejects with GatehouseError. */
  async call(admission: Admission, args: Arguments, scope: CallScope, stream?: ProgressStream): Promise<McpAnswer> {
    if (this.#calls >= this.#settings.max_calls_per_server) {
      throw new GatehouseError('overloaded', { reason: 'server_busy', retry_after: 1 });
    }
    this.#calls += 1;
    const endsAt = performance.now() + Math.min(admission.timeout_ms, scope.timeout_ms);
    let session: McpSession | undefined;
    try {
      session = this.#ready ?? (await this.#awaitSession(scope, endsAt));
      const tool = admission.admit(session.tools.get(admission.tool));
      const timeout_ms = Math.max(1, Math.ceil(endsAt - performance.now()));
      const result = await session.call(tool, args, { signal: scope.signal, timeout_ms, ...stream });
      return { tool, result };
    } catch (error) {
      const problem = session && toLoss(error);
      if (problem) session?.abort(problem);
      throw toCallError(error, scope.cancelled);
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0) this.#retired?.();
    }
  }

  /** Ends the server once its calls are done; resolves when nothing of it is left. */
  async retire(): Promise<void> {
    if (this.#calls > 0) {
      await new Promise<void>((resolve) => {
        this.#retired = resolve;
      });
    }
    await this.close();
  }

  /** What `/readyz?verbose` shows; `flaw` is what the owner knows to be wrong with a server that is up. */
  health(flaw: string | undefined): UpstreamHealth {
    const upstream = this.#spec.label;
    if (this.#session) {
      const reason = this.#missedChecks > 0 ? 'unhealthy' : flaw;
      return reason ? { upstream, state: 'degraded', reason } : { upstream, state: 'up' };
    }
    if (this.#opening || !this.#problem) return { upstream, state: 'starting' };
    return { upstream, state: 'down', reason: this.#problem };
  }

  /** Ends the server. Calls under way fail with `upstream_failed`. Resolves when nothing of it is left. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#healthTimer);
    this.#connecting?.kill();
    const session = this.#session;
    this.#session = undefined;
    await Promise.all([session?.close(), this.#opening]);
    this.#turnstile.open();
    this.#retired?.();
  }

  async #open(): Promise<void> {
    try {
      const connection = this.#spec.connect();
      this.#connecting = connection;
      const session = await McpSession.open(connection, {
        handshake: this.#handshake,
        timeout_ms: this.#settings.start_timeout_ms,
        onToolsChanged: () => void this.#verify(),
        onLost: (problem) => this.#lose(session, problem),
      });
      if (this.#closed) await session.close();
      else if (session.isClosed) this.#fail('exit');
      else this.#adopt(session);
    } catch (error) {
      // A server that can't take one handshake may take the other: some end at a request that they don't know.
      this.#handshake = this.#handshake === 'auto' ? 'legacy' : 'auto';
      this.#fail(toProblem(error));
    } finally {
      this.#connecting = undefined;
    }
  }

  #adopt(session: McpSession): void {
    this.#handshake = session.handshake;
    this.#openedAt = performance.now();
    this.#missedChecks = 0;
    this.#observer.onTools(this, session.tools);
    this.#session = session;
    if (this.#problem) this.#report(this.#spec.kind === 'stdio' ? 'restarted' : 'recovered', this.#problem);
    this.#problem = undefined;
    this.#scheduleHealthCheck();
  }

  #lose(session: McpSession, problem: McpProblem): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    clearTimeout(this.#healthTimer);
    void session.close();
    if (performance.now() - this.#openedAt >= stableMs) this.#failures = 0;
    this.#fail(problem);
  }

  #fail(problem: McpProblem): void {
    if (this.#closed) return;
    if (!this.#problem) this.#report(problem === 'flooding' ? 'flooding' : 'failed', problem);
    this.#problem = problem;
    const pauseMs = this.#failures === 0 ? 0 : firstPauseMs * 2 ** (this.#failures - 1);
    const boundedMs = Math.min(pauseMs, this.#settings.restart_ceiling_ms);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#retryAt = performance.now() + boundedMs;
    this.#retryTimer = setTimeout(() => void this.start(), boundedMs).unref();
  }

  async #verify(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    if (this.#verifying) {
      this.#verifyAgain = true;
      return;
    }
    this.#verifying = true;
    do {
      this.#verifyAgain = false;
      await this.#check(session, () => session.abort('unhealthy'));
    } while (this.#verifyAgain && this.#session === session);
    this.#verifying = false;
    this.#turnstile.open();
  }

  #scheduleHealthCheck(): void {
    this.#healthTimer = setTimeout(() => void this.#checkHealth(), this.#settings.health_interval_ms).unref();
  }

  async #checkHealth(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    await this.#check(session, () => {
      this.#missedChecks += 1;
      if (this.#missedChecks >= maxMissedChecks) session.abort('unhealthy');
    });
    if (this.#session === session) this.#scheduleHealthCheck();
  }

  async #check(session: McpSession, onFailure: () => void): Promise<void> {
    try {
      await session.refresh(this.#checkTimeoutMs);
      if (this.#session !== session) return;
      this.#missedChecks = 0;
      this.#observer.onTools(this, session.tools);
    } catch (error) {
      if (this.#session !== session) return;
      const problem = toLoss(error);
      if (problem) session.abort(problem);
      else onFailure();
    }
  }

  /** The connection, unless its tools are being looked at again. */
  get #ready(): McpSession | undefined {
    return this.#verifying ? undefined : this.#session;
  }

  async #awaitSession(scope: CallScope, endsAt: number): Promise<McpSession> {
    for (let turn = 0; turn < maxTurns && !this.#closed; turn += 1) {
      if (!this.#session && !this.#opening) {
        if (!this.#problem) void this.start();
        else if (this.#retryAt - performance.now() > nearMs) break;
      }
      await this.#turnstile.wait(scope, endsAt - performance.now());
      if (this.#ready) return this.#ready;
    }
    throw this.#unavailable();
  }

  #unavailable(): GatehouseError {
    if (this.#closed) return new GatehouseError('upstream_failed', { reason: 'closing' });
    const waitMs = Math.max(0, this.#retryAt - performance.now());
    const reason = this.#problem ?? 'connection';
    return new GatehouseError('upstream_unavailable', { reason, retry_after: Math.max(1, Math.ceil(waitMs / 1000)) });
  }

  #report(kind: UpstreamReport['kind'], reason: string): void {
    this.#observer.report({ kind, upstream: this.#spec.label, reason });
  }
}
