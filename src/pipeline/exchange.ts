import type { PermissionSet } from '../access/index.js';
import { type Arguments, CallScope, type GatehouseError, type Principal, type Tool } from '../core/index.js';
import type { Seat } from '../limits/index.js';
import type { Generation } from './generation.js';
import type { ToolRuntime } from './tool-runtime.js';
import type { ExchangeTrace, TraceHeaders } from './trace.js';

/** What a request asks for, which decides the event that it leaves. */
export type ExchangeKind = 'manual' | 'call' | 'token' | 'public';

/** The pattern of the path, for the metrics: a closed set, whatever is asked for. */
export type Route =
  | '/utcp'
  | '/utcp/:manual'
  | '/tools/:manual/:tool'
  | '/tools/:manual/:tool/body'
  | '/tools/:manual/:tool/ws'
  | '/oauth/token'
  | 'other';

/** One request's way through the pipeline: each stage writes what it found, `record` reads it once at the end. */
export class Exchange {
  readonly started_ms = performance.now();
  readonly now_ms = Date.now();
  /** Its spans; undefined where tracing is off. */
  trace: ExchangeTrace | undefined;
  kind: ExchangeKind = 'public';
  route: Route = 'other';
  principal: Principal | undefined;
  permissions: PermissionSet | undefined;
  tool: Tool | undefined;
  runtime: ToolRuntime | undefined;
  /** `manual.tool` as asked for, known or not; the event's `tool`. */
  asked_for: string | undefined;
  /** The manual asked for by name. */
  manual: string | undefined;
  honeypot = false;
  args: Arguments | undefined;
  scope: CallScope | undefined;
  error: GatehouseError | undefined;
  /** Bytes of the arguments as they came and of the answer; 0 where there are none, or they are not known. */
  request_bytes = 0;
  response_bytes = 0;
  /** Milliseconds that the upstream took, however it ended; undefined while none was asked. */
  upstream_ms: number | undefined;
  /** Name of the limit that refused. */
  limit: string | undefined;
  /** What the answer says of the limits that refused. */
  limit_headers: Readonly<Record<'ratelimit-policy' | 'ratelimit', string>> | undefined;
  /** A fresh verification, which leaves an `auth.success`. */
  verified_freshly = false;
  /** Of a served manual. */
  tools_listed = 0;
  /** Who a refused credential claimed to be. */
  claimed: string | undefined;
  /** A token that was issued for it. */
  issued: { readonly caller: string; readonly scope: string; readonly jti: string } | undefined;
  recorded = false;
  /** The route records it itself: a stream's outcome is known after its response is finished. */
  deferred = false;
  /** Its place among the calls in flight; left when it is recorded. */
  seat: Seat | undefined;

  constructor(
    readonly generation: Generation,
    readonly request_id: string,
    readonly address: string,
    readonly traceparent: string | undefined,
    readonly tracestate: string | undefined,
  ) {}

  /** Makes the scope that carries the call, and the trace context, into its protocol. */
  openScope(timeout_ms: number, context: TraceHeaders = this): CallScope {
    this.scope = new CallScope(
      this.request_id,
      timeout_ms,
      this.principal?.id ?? '',
      context.traceparent,
      context.tracestate,
      this.principal,
    );
    return this.scope;
  }
}
