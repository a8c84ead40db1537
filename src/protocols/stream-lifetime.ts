import { type CallScope, type CancelReason, GatehouseError } from '../core/index.js';

/**
 * What ends a stream from this side: the total time, silence of the upstream, or the call's cancellation, whichever
 * comes first. The signal's reason is always the GatehouseError that the stream then fails with. `end` must follow.
 */
export class StreamLifetime {
  readonly #controller = new AbortController();
  readonly #total: NodeJS.Timeout;
  readonly #idle: NodeJS.Timeout;
  readonly #forget: () => void;
  #waiting = true;

  /** Both times in whole milliseconds, from now. */
  constructor(scope: CallScope, total_ms: number, idle_ms: number) {
    this.#total = setTimeout(() => this.#abort(timedOut('total_timeout')), total_ms);
    this.#idle = setTimeout(() => this.#fallSilent(), idle_ms);
    this.#forget = scope.onCancel((reason) => this.#abort(cancelled(reason)));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Starts the silence clock anew: the stream waits for its upstream from here. */
  awaitUpstream(): void {
    this.#waiting = true;
    this.#idle.refresh();
  }

  /** Stops the silence clock: what takes time from here is the consumer. */
  awaitConsumer(): void {
    this.#waiting = false;
  }

  /** Throws what ended the stream, if something did. */
  throwIfEnded(): void {
    this.#controller.signal.throwIfAborted();
  }

  /** Takes the timers and the listener away. */
  end(): void {
    clearTimeout(this.#total);
    clearTimeout(this.#idle);
    this.#forget();
  }

  #fallSilent(): void {
    if (this.#waiting) this.#abort(timedOut('idle_timeout'));
  }

  #abort(error: GatehouseError): void {
    if (!this.#controller.signal.aborted) this.#controller.abort(error);
  }
}

function timedOut(reason: 'total_timeout' | 'idle_timeout'): GatehouseError {
  return new GatehouseError('upstream_timeout', {
    detail: reason === 'idle_timeout' ? 'The upstream fell silent.' : 'The upstream took too long.',
    reason,
  });
}

/** The error that a cancelled call fails with. */
export function cancelled(reason: CancelReason): GatehouseError {
  if (reason === 'timeout') return timedOut('total_timeout');
  return new GatehouseError(reason);
}
