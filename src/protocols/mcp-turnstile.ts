import { type CallScope, type CancelReason, GatehouseError } from '../core/index.js';
import { describeCancel } from './cancellation.js';

type Waiter = (error?: GatehouseError) => void;

/** Where calls wait for something that comes for all of them at once, each as long as its own time allows. */
export class Turnstile {
  #waiters = new Set<Waiter>();

  /** Lets everybody who waits pass. */
  open(): void {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const pass of waiters) pass();
  }

  /** Resolves at the next `open`. Rejects with GatehouseError when the scope is cancelled or the time is up. */
  wait(scope: CallScope, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const pass: Waiter = (error) => {
        clearTimeout(timer);
        stopListening();
        this.#waiters.delete(pass);
        if (error) reject(error);
        else resolve();
      };
      const timer = setTimeout(pass, timeoutMs, new GatehouseError('upstream_timeout'));
      const cancel = (reason: CancelReason): void => pass(describeCancel(reason));
      let stopListening: () => void = () => undefined;
      this.#waiters.add(pass);
      stopListening = scope.onCancel(cancel);
    });
  }
}
