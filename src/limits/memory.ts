import { countedIn, type Limit, type LimitDecision, type LocalLimiter } from './limiter.js';
import { SlidingWindow } from './window.js';

export interface MemoryLimiterOptions {
  /** Keys held at most. A new key is refused while all of them still count; default 100,000. */
  readonly max_keys?: number;
  /** Milliseconds on a clock that never goes back; default the process's own. */
  readonly now?: () => number;
}

/** How many keys each new key looks at for ones that count no more. */
const sweepSteps = 16;
const fullRetry_ms = 1000;

/**
 * Counts in this process's memory. Holds at most `max_keys` and never forgets one that still counts: a flood of new keys
 * makes new keys refused, not old ones free. So keys that a sender may choose (addresses) need a limiter of their own,
 * where their flood refuses nobody else.
 */
export function createMemoryLimiter(options: MemoryLimiterOptions = {}): LocalLimiter {
  return new MemoryLimiter(options.max_keys ?? 100_000, options.now ?? readMonotonicClock);
}

function readMonotonicClock(): number {
  return Math.trunc(performance.now());
}

class MemoryLimiter implements LocalLimiter {
  readonly #windows = new Map<string, SlidingWindow>();
  /** The windows of the request in hand, by position; kept to spare an array a request. */
  readonly #found: (SlidingWindow | undefined)[] = [];
  #hand: MapIterator<[string, SlidingWindow]> = this.#windows.entries();

  constructor(
    readonly max_keys: number,
    readonly now: () => number,
  ) {}

  get size(): number {
    return this.#windows.size;
  }

  take(limits: readonly Limit[]): LimitDecision {
    const now = this.now();
    let missing = this.#find(limits, now);
    if (missing > 0) {
      this.#sweep(now);
      missing = this.#find(limits, now);
      if (this.#windows.size + missing > this.max_keys) return this.#refuseNew(limits);
    }
    const refusal = this.#findFull(limits, now);
    if (refusal) return refusal;
    for (let index = 0; index < limits.length; index++) {
      const limit = limits[index];
      if (limit) this.#count(limit, index, now);
    }
    return this.#findLeast(limits, now);
  }

  peek(limits: readonly Limit[]): LimitDecision {
    const now = this.now();
    const missing = this.#find(limits, now);
    if (missing > 0 && this.#windows.size + missing > this.max_keys) return this.#refuseNew(limits);
    return this.#findFull(limits, now) ?? this.#findLeast(limits, now);
  }

  async close(): Promise<void> {
    this.#windows.clear();
  }

  /** Looks the windows up and says how many keys are new. */
  #find(limits: readonly Limit[], now: number): number {
    let missing = 0;
    for (let index = 0; index < limits.length; index++) {
      const limit = limits[index];
      const window = limit && this.#windowOf(limit);
      this.#found[index] = window;
      if (!window) {
        missing++;
        continue;
      }
      window.follow(limit);
      window.expire(now);
    }
    return missing;
  }

  #windowOf(limit: Limit): SlidingWindow | undefined {
    if (limit[countedIn]?.holder !== this) limit[countedIn] = this.#windows.get(limit.key);
    return limit[countedIn];
  }

  #count(limit: Limit, index: number, now: number): void {
    let window = this.#found[index];
    if (!window) {
      window = new SlidingWindow(limit, this);
      this.#windows.set(limit.key, window);
      this.#found[index] = window;
    }
    window.add(now);
  }

  #findFull(limits: readonly Limit[], now: number): LimitDecision | undefined {
    let wait = -1;
    let worst = 0;
    for (let index = 0; index < limits.length; index++) {
      const window = this.#found[index];
      if (!window?.full) continue;
      const until = window.untilRoom(now);
      if (until > wait) {
        wait = until;
        worst = index;
      }
    }
    if (wait < 0) return undefined;
    const reset_ms = this.#found[worst]?.untilEmpty(now) ?? 0;
    return { allowed: false, limit: at(limits, worst), remaining: 0, retry_after_ms: wait, reset_ms };
  }

  #findLeast(limits: readonly Limit[], now: number): LimitDecision {
    let remaining = Number.POSITIVE_INFINITY;
    let least = 0;
    for (let index = 0; index < limits.length; index++) {
      const left = this.#found[index]?.remaining ?? at(limits, index).limit;
      if (left < remaining) {
        remaining = left;
        least = index;
      }
    }
    const reset_ms = this.#found[least]?.untilEmpty(now) ?? 0;
    return { allowed: true, limit: at(limits, least), remaining, retry_after_ms: 0, reset_ms };
  }

  #refuseNew(limits: readonly Limit[]): LimitDecision {
    return {
      allowed: false,
      limit: at(limits, 0),
      remaining: 0,
      retry_after_ms: fullRetry_ms,
      reset_ms: fullRetry_ms,
      store_full: true,
    };
  }

  /** Lets go of keys that count no more, a few at a time, so that no single request pays for all. */
  #sweep(now: number): void {
    for (let step = 0; step < sweepSteps; step++) {
      const next = this.#hand.next();
      if (next.done) {
        this.#hand = this.#windows.entries();
        return;
      }
      const [key, window] = next.value;
      window.expire(now);
      if (window.total > 0) continue;
      this.#windows.delete(key);
      window.holder = undefined;
    }
  }
}

function at(limits: readonly Limit[], index: number): Limit {
  const limit = limits[index];
  if (!limit) throw new RangeError('A limiter needs at least one limit.');
  return limit;
}
