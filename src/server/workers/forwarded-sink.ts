import type { EventSink, EventSinkState, SecurityEvent } from '../../events/index.js';
import type { PrimaryLink } from './link.js';
import type { LogState } from './message.js';

/** About what a line of the log has. */
const bytesAnEvent = 300;

/**
 * The security log of a worker: events go to the primary, which writes one log, and one chain, for all. One batch is on
 * its way at a time; what waits behind it is bounded, and what is turned away is counted and told.
 */
export class ForwardedSink implements EventSink {
  readonly #link: PrimaryLink;
  readonly #maxWaiting: number;
  #log: LogState;
  #waiting: SecurityEvent[] = [];
  #lost = 0;
  #isSending = false;
  #idle: (() => void)[] = [];

  constructor(link: PrimaryLink, log: LogState, max_buffered_bytes: number) {
    this.#link = link;
    this.#log = log;
    this.#maxWaiting = Math.ceil(max_buffered_bytes / bytesAnEvent);
    link.on('log', ({ log: now }) => {
      this.#log = now;
    });
    link.on('recorded', ({ log: now }) => {
      this.#log = now;
      this.#isSending = false;
      this.#send();
    });
  }

  get accepting(): boolean {
    return this.#log.accepting;
  }

  state(): EventSinkState {
    return { status: this.#log.status, lost: this.#log.lost + this.#lost };
  }

  emit(event: SecurityEvent): void {
    if (this.#waiting.length >= this.#maxWaiting) {
      this.#lost++;
      return;
    }
    this.#waiting.push(event);
    if (this.#waiting.length === 1 && !this.#isSending) setImmediate(() => this.#send());
  }

  async flush(): Promise<void> {
    this.#send();
    if (this.#isSending) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  close(): Promise<void> {
    return this.flush();
  }

  #send(): void {
    if (this.#isSending) return;
    if (this.#waiting.length === 0) {
      for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    this.#isSending = true;
    this.#link.send({ kind: 'events', events: this.#waiting, lost: this.#lost });
    this.#waiting = [];
    this.#lost = 0;
  }
}
