import type { Principal } from './principal.js';
import type { Arguments } from './tool.js';

/**
 * What one call carries through the pipeline into a protocol: identity for headers and logs, a deadline, and
 * cancellation. Cheaper than an AbortSignal for each request; `signal` makes one for libraries that want it.
 */
export class CallScope {
  /** Its place in the list of calls in flight, which that list keeps; -1: in none. */
  place = -1;
  #listeners: CancelListener[] | undefined;
  #controller: AbortController | undefined;
  #reason: CancelReason | undefined;

  constructor(
    readonly request_id: string,
    /** Whole milliseconds that the call may take from here, upstream included. */
    readonly timeout_ms: number,
    /** The caller's id, for per-caller bounds inside a protocol (open streams, sockets). */
    readonly caller: string,
    /** W3C trace context to pass on, when the request had one or tracing made one. */
    readonly traceparent?: string,
    readonly tracestate?: string,
    /** Who calls, for tools of this program; nothing of it goes to an upstream. */
    readonly principal?: Principal,
  ) {}

  get cancelled(): CancelReason | undefined {
    return this.#reason;
  }

  /** Ends the call: each listener is told once. A second cancellation changes nothing. */
  cancel(reason: CancelReason): void {
    if (this.#reason) return;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    for (const listener of listeners ?? []) listener(reason);
    this.#controller?.abort(reason);
  }

  /** Calls `listener` when the call is cancelled (at once if it is already); returns what takes the listener away. */
  onCancel(listener: CancelListener): () => void {
    if (this.#reason) {
      listener(this.#reason);
      return () => undefined;
    }
    if (this.#listeners) this.#listeners.push(listener);
    else this.#listeners = [listener];
    return () => this.#forget(listener);
  }

  #forget(listener: CancelListener): void {
    const index = this.#listeners?.indexOf(listener) ?? -1;
    if (index >= 0) this.#listeners?.splice(index, 1);
  }

  /** The cancellation as an AbortSignal, made when first asked for. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }
}

type CancelListener = (reason: CancelReason) => void;

export type CancelReason = 'client_aborted' | 'timeout' | 'draining' | 'caller_blocked' | 'credential_revoked';

/** What a protocol hands back: one JSON text, since the official clients read a result only as `application/json`. */
export interface CallResult {
  /** A complete JSON text; bytes are UTF-8. Whoever has text hands text, which goes out in one piece with its head. */
  readonly body: string | Buffer;
}

/** One element of a stream: a JSON text without line breaks, or raw bytes (of `streamable_http` upstreams). */
export interface StreamItem {
  readonly data: string | Buffer;
  /** Server-sent events only: the event's name and id. */
  readonly event?: string;
  readonly id?: string;
}

/** A tool's template bound to its upstream at load: all that can be done ahead of a request has been done. */
export interface PreparedCall {
  /** A short name of what it calls (`host:port`), shared by all calls to it; the manual's name where it has none. */
  readonly upstream?: string;
  /**
   * What its protocol keeps open for it: connections, tokens. A call that names them may be let go before it is first
   * made, and be bound anew then: binding reads nothing that could have changed, and all that lasts is in these. Absent
   * where the call itself is what lasts.
   */
  readonly anchors?: readonly object[];
  /**
   * Runs the call. Throws GatehouseError (`upstream_*`, `path_not_allowed`, `invalid_input`, …) and ends every
   * resource that it opened before it settles, however it settles; a cancelled scope settles it promptly. What needs
   * nobody else answers, or throws, at once.
   */
  call(args: Arguments, scope: CallScope): CallResult | Promise<CallResult>;
  /** Streams the call, where the protocol streams. Ending the iteration ends the upstream. */
  stream?(args: Arguments, scope: CallScope): AsyncIterable<StreamItem>;
}

/** What a protocol keeps for a call; for `retain`. */
export function anchorsOf(call: PreparedCall): readonly object[] {
  return call.anchors ?? [call];
}
