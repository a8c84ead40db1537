import { GatehouseError } from '../core/index.js';

/** How many streams each caller holds open on one tool. */
export class StreamSlots {
  readonly #open = new Map<string, number>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes one slot; `release` must follow once. Throws `rate_limited` when the caller holds as many as it may. */
  take(caller: string): void {
    const open = this.#open.get(caller) ?? 0;
    if (open >= this.#limit) {
      throw new GatehouseError('rate_limited', {
        detail: `At most ${this.#limit} streams of this tool may be open at once.`,
        reason: 'streams_per_caller',
        retry_after: 1,
      });
    }
    this.#open.set(caller, open + 1);
  }

  release(caller: string): void {
    const open = this.#open.get(caller) ?? 0;
    if (open > 1) this.#open.set(caller, open - 1);
    else this.#open.delete(caller);
  }
}

const window_ms = 1000;

/** Notices a flood: more events in one second than a tool's upstream is expected to send. */
export class FloodMeter {
  readonly #limit: number;
  #windowStart = 0;
  #count = 0;
  #told = false;

  constructor(eventsPerSecond: number) {
    this.#limit = eventsPerSecond;
  }

  /** Counts one event at `now` (milliseconds of any steady clock). True once, when the flood begins. */
  count(now: number): boolean {
    if (now - this.#windowStart >= window_ms) {
      this.#windowStart = now;
      this.#count = 0;
    }
    this.#count += 1;
    if (this.#told || this.#count <= this.#limit) return false;
    this.#told = true;
    return true;
  }
}

/** Counts the bytes of one stream. */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Throws `upstream_too_large` when the stream has brought more than its limit. */
  spend(bytes: number): void {
    this.#used += bytes;
    if (this.#used <= this.#limit) return;
    throw new GatehouseError('upstream_too_large', {
      detail: `The upstream's stream is larger than ${this.#limit} bytes.`,
      reason: 'stream_too_large',
    });
  }
}
