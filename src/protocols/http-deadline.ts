import type { CallScope, GatehouseError } from '../core/index.js';
import { describeCancel } from './cancellation.js';

/** Something that a call waits for and that can be ended early: an exchange, a pause, a stream. */
export interface Stoppable {
  /** Ends it with this error; does nothing when it has ended. */
  stop(error: GatehouseError): void;
}

/** What may end something before its answer does. */
export interface Watch {
  watch(waiting: Stoppable): void;
}

/**
 * The one timer of a call, and its ear for cancellation: whatever the call waits for is stopped when its time is over
 * or its caller has gone. `release` must follow, however the call ends.
 */
export class CallDeadline implements Watch {
  /** Milliseconds of `performance.now()`. */
  readonly expires_at: number;
  readonly #timer: NodeJS.Timeout;
  readonly #unlisten: () => void;
  #waiting: Stoppable | undefined;
  #ended: GatehouseError | undefined;

  /** Ends after the scope's time or `limitMs`, whichever is shorter. */
  constructor(scope: CallScope, limitMs: number) {
    const timeoutMs = Math.min(scope.timeout_ms, limitMs);
    this.expires_at = performance.now() + timeoutMs;
    this.#timer = setTimeout(expire, timeoutMs, this);
    this.#unlisten = scope.onCancel((reason) => this.end(describeCancel(reason)));
  }

  get remaining_ms(): number {
    return this.expires_at - performance.now();
  }

  /** Names what the call waits for now; stops it at once when the call is already over. */
  watch(waiting: Stoppable): void {
    this.#waiting = waiting;
    if (this.#ended) waiting.stop(this.#ended);
  }

  /** Ends the call with an error. */
  end(error: GatehouseError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#waiting?.stop(error);
  }

  /** Waits; rejects when the call is over first. Leaves no timer behind either way. */
  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, milliseconds);
      this.watch({
        stop(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  /** Waits for something that others wait for too, so that it goes on when this call is over. */
  wait<Value>(shared: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.watch({ stop: reject });
      shared.then(resolve, reject);
    });
  }

  /** Lets the timer and the scope go. */
  release(): void {
    clearTimeout(this.#timer);
    this.#unlisten();
    this.#waiting = undefined;
  }
}

function expire(deadline: CallDeadline): void {
  deadline.end(describeCancel('timeout'));
}
