import { granuleOf, type Limit } from './limiter.js';

/** A reload may turn a fine window into a coarse one; beyond this many runs the newest two are counted as one. */
const maxRuns = 128;

/**
 * The requests of one key that still count, as a ring of runs (time, how many), oldest first. A run's time is the last
 * millisecond at which any of it may have come, so rounding never lets one go too soon.
 */
export class SlidingWindow {
  /** Requests that count now; right after `expire`. */
  total = 0;
  #limit: Limit;
  #granule: number;
  /** Pairs of time and count; a power of two of pairs, so that a mask wraps the ring. */
  #runs = new Float64Array(4);
  #head = 0;
  #size = 0;

  constructor(limit: Limit) {
    this.#limit = limit;
    this.#granule = granuleOf(limit);
  }

  /** Follows a limit that a reload has changed, keeping what was counted. */
  follow(limit: Limit): void {
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#granule = granuleOf(limit);
  }

  get full(): boolean {
    return this.total >= this.#limit.limit;
  }

  get remaining(): number {
    return Math.max(0, this.#limit.limit - this.total);
  }

  /** Drops what came `window_ms` ago or earlier. `now` never goes back. */
  expire(now: number): void {
    const gone = now - this.#limit.window_ms;
    const runs = this.#runs;
    const mask = (runs.length >> 1) - 1;
    while (this.#size > 0 && (runs[this.#head << 1] ?? 0) <= gone) {
      this.total -= runs[(this.#head << 1) + 1] ?? 0;
      this.#head = (this.#head + 1) & mask;
      this.#size--;
    }
  }

  /** Counts one at `now`. */
  add(now: number): void {
    const granule = this.#granule;
    const time = granule === 1 ? now : now - (now % granule) + granule - 1;
    let last = this.#last();
    if (this.#size === 0 || ((this.#runs[last] ?? 0) < time && this.#size < maxRuns)) {
      if (this.#size === this.#runs.length >> 1) this.#grow();
      this.#size++;
      last = this.#last();
      this.#runs[last + 1] = 0;
    }
    this.#runs[last] = Math.max(time, this.#runs[last + 1] === 0 ? 0 : (this.#runs[last] ?? 0));
    this.#runs[last + 1] = (this.#runs[last + 1] ?? 0) + 1;
    this.total++;
  }

  /** Milliseconds from `now` until fewer than the limit count; 0 when there is room already. */
  untilRoom(now: number): number {
    const mask = (this.#runs.length >> 1) - 1;
    let left = this.total;
    for (let step = 0; step < this.#size && left >= this.#limit.limit; step++) {
      const run = ((this.#head + step) & mask) << 1;
      left -= this.#runs[run + 1] ?? 0;
      if (left < this.#limit.limit) return (this.#runs[run] ?? 0) + this.#limit.window_ms - now;
    }
    return 0;
  }

  /** Milliseconds from `now` until nothing counts any more. */
  untilEmpty(now: number): number {
    return this.#size === 0 ? 0 : (this.#runs[this.#last()] ?? 0) + this.#limit.window_ms - now;
  }

  #last(): number {
    return ((this.#head + this.#size - 1) & ((this.#runs.length >> 1) - 1)) << 1;
  }

  #grow(): void {
    const grown = new Float64Array(this.#runs.length * 2);
    const start = this.#head << 1;
    grown.set(this.#runs.subarray(start));
    grown.set(this.#runs.subarray(0, start), this.#runs.length - start);
    this.#runs = grown;
    this.#head = 0;
  }
}
