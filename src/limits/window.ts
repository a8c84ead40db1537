import { granuleOf, type Limit } from './limiter.js';

/** A reload may turn a fine window into a coarse one; beyond this many runs the newest two are counted as one. */
const maxRuns = 128;

/**
 * The requests of one key that still count, as runs (time, how many). A run's time is the last millisecond at which any of
 * it may have come, so rounding never lets one go too soon. The newest run and the time of the oldest stand apart from the
 * ring of the others: most requests need look no further, and memory that is not looked at need not be fetched.
 */
export class SlidingWindow {
  /** Requests that count now; right after `expire`. */
  total = 0;
  /** The store that holds it; undefined once it was let go. */
  holder: object | undefined;
  #limit: Limit;
  #granule: number;
  #newest_ms = 0;
  /** 0: nothing counts. */
  #newestCount = 0;
  /** Of all runs; Infinity when nothing counts. */
  #oldest_ms = Number.POSITIVE_INFINITY;
  /** The older runs, oldest first: pairs of time and count; a power of two of pairs, so that a mask wraps the ring. */
  #runs = new Float64Array(4);
  #head = 0;
  #size = 0;

  constructor(limit: Limit, holder?: object) {
    this.holder = holder;
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
    if (this.#oldest_ms > gone) return;
    while (this.#size > 0 && this.#timeAt(0) <= gone) {
      this.total -= this.#countAt(0);
      this.#head = (this.#head + 1) & this.#mask;
      this.#size--;
    }
    if (this.#size > 0) this.#oldest_ms = this.#timeAt(0);
    else if (this.#newest_ms > gone) this.#oldest_ms = this.#newest_ms;
    else {
      this.total = 0;
      this.#newestCount = 0;
      this.#oldest_ms = Number.POSITIVE_INFINITY;
    }
  }

  /** Counts one at `now`. */
  add(now: number): void {
    const granule = this.#granule;
    const time = granule === 1 ? now : now - (now % granule) + granule - 1;
    if (this.#newestCount > 0 && this.#newest_ms < time && this.#size + 1 < maxRuns) {
      this.#setNewestAside();
      this.#newestCount = 0;
    }
    this.#newest_ms = this.#newestCount === 0 ? time : Math.max(time, this.#newest_ms);
    this.#newestCount++;
    this.total++;
    if (this.#size === 0) this.#oldest_ms = this.#newest_ms;
  }

  /** Milliseconds from `now` until fewer than the limit count; 0 when there is room already. */
  untilRoom(now: number): number {
    let left = this.total;
    if (left < this.#limit.limit) return 0;
    for (let step = 0; step < this.#size; step++) {
      left -= this.#countAt(step);
      if (left < this.#limit.limit) return this.#timeAt(step) + this.#limit.window_ms - now;
    }
    return this.untilEmpty(now);
  }

  /** Milliseconds from `now` until nothing counts any more. */
  untilEmpty(now: number): number {
    return this.#newestCount === 0 ? 0 : this.#newest_ms + this.#limit.window_ms - now;
  }

  get #mask(): number {
    return (this.#runs.length >> 1) - 1;
  }

  #timeAt(step: number): number {
    return this.#runs[((this.#head + step) & this.#mask) << 1] ?? 0;
  }

  #countAt(step: number): number {
    return this.#runs[(((this.#head + step) & this.#mask) << 1) + 1] ?? 0;
  }

  #setNewestAside(): void {
    if (this.#size === this.#runs.length >> 1) this.#grow();
    const place = ((this.#head + this.#size) & this.#mask) << 1;
    this.#runs[place] = this.#newest_ms;
    this.#runs[place + 1] = this.#newestCount;
    this.#size++;
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
