import type { SlidingWindow } from './window.js';

/**
 * What a store of this process counts a limit in, so that it is looked up once; that store's own. A symbol, since limits
 * and decisions go between processes, which take none of these along.
 */
export const countedIn = Symbol('counted in');

/** One window of one key: at most `limit` in any `window_ms`. */
export interface Limit {
  /** From verified principals, known tools, or addresses: never free text of an unauthenticated sender. */
  readonly key: string;
  /** Who is counted; all limits of one request name the same, so that a sharded store finds them in one place. */
  readonly subject: string;
  /** What `RateLimit-Policy` calls it, for example `per_minute`. */
  readonly name: string;
  readonly limit: number;
  readonly window_ms: number;
  [countedIn]?: SlidingWindow | undefined;
}

export interface LimitDecision {
  readonly allowed: boolean;
  /** The full limit that takes longest to have room again, or, when allowed, the one with the least left. */
  readonly limit: Limit;
  readonly remaining: number;
  /** Milliseconds until one more would be allowed; 0 when allowed. */
  readonly retry_after_ms: number;
  /** Milliseconds until the window is empty again if nothing more comes. */
  readonly reset_ms: number;
  /** Refused because the store holds as many keys as it may and this one is new: it never forgets one to make room. */
  readonly store_full?: true;
}

/**
 * Counts by sliding windows: never more than `limit` in any span of `window_ms`, wherever it starts. All limits of one
 * request are taken together: either each counts one, or none does. A refused request is not counted (the security
 * guide's AnomalyDetector).
 *
 * A limit of up to 60 is exact to the millisecond. A larger one keeps time in sixtieths of its window, rounded so that a
 * request counts for up to a sixtieth too long and never too short.
 */
export interface Limiter {
  /** Takes one from each, all or none. `limits` is never empty. Synchronous where the store is local. */
  take(limits: readonly Limit[]): LimitDecision | Promise<LimitDecision>;
  /** The decision that `take` would give, without counting. */
  peek(limits: readonly Limit[]): LimitDecision | Promise<LimitDecision>;
  close(): Promise<void>;
}

/** A limiter that answers at once. */
export interface LocalLimiter extends Limiter {
  take(limits: readonly Limit[]): LimitDecision;
  peek(limits: readonly Limit[]): LimitDecision;
  /** Keys held. */
  readonly size: number;
}

const granules = 60;

/** Whole milliseconds that a limit rounds times up to; both stores keep to it, so that they give the same answers. */
export function granuleOf(limit: Limit): number {
  return limit.limit <= granules ? 1 : Math.ceil(limit.window_ms / granules);
}
