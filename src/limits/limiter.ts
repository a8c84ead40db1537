/** One window of one key: at most `limit` in any `window_ms`. */
export interface Limit {
  /** From verified principals, known tools, or addresses: never free text of an unauthenticated sender. */
  readonly key: string;
  /** What `RateLimit-Policy` calls it, for example `per_minute`. */
  readonly name: string;
  readonly limit: number;
  readonly window_ms: number;
}

export interface LimitDecision {
  readonly allowed: boolean;
  /** The limit that refused, or the one with the least left. */
  readonly limit: Limit;
  readonly remaining: number;
  /** Milliseconds until one more would be allowed; 0 when allowed. */
  readonly retry_after_ms: number;
  /** Milliseconds until the window is empty again if nothing more comes. */
  readonly reset_ms: number;
}

/**
 * Counts by sliding windows. All limits of one request are taken together: either each counts one, or none does and
 * the first that is full is named. A refused request is not counted (the guide's AnomalyDetector).
 */
export interface Limiter {
  /** Takes one from each, all or none. `limits` is never empty. Synchronous where the store is local. */
  take(limits: readonly Limit[]): LimitDecision | Promise<LimitDecision>;
  /** The decision that `take` would give, without counting. */
  peek(limits: readonly Limit[]): LimitDecision | Promise<LimitDecision>;
  close(): Promise<void>;
}
