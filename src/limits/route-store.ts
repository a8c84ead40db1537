import type { Limit, LocalLimiter } from './limiter.js';
import { createMemoryLimiter } from './memory.js';

/** What a store of @fastify/rate-limit calls back with. */
export type RouteStoreCallback = (error: Error | null, result?: { current: number; ttl: number }) => void;

const defaultKeys = 10_000;

/**
 * A store for @fastify/rate-limit (its `store` option), for routes where no caller is known yet. The plugin's own store
 * forgets the longest unseen key beyond 5,000, so a flood of addresses frees a blocked one; this one refuses new keys
 * instead (`cache` is the most that it holds; each route holds its own).
 */
export class FastifyRateLimitStore {
  readonly #limiter: LocalLimiter;

  /** @param options the plugin's options; `cache` alone is read. */
  constructor(options: object) {
    const keys = 'cache' in options && typeof options.cache === 'number' ? options.cache : defaultKeys;
    this.#limiter = createMemoryLimiter({ max_keys: keys });
  }

  /** Counts one for `key`, and calls back with a count above `max` when it is refused. */
  incr(key: string, callback: RouteStoreCallback, timeWindow: number, max: number): void {
    const decision = this.#limiter.take([toLimit(key, timeWindow, max)]);
    callback(
      null,
      decision.allowed
        ? { current: max - decision.remaining, ttl: decision.reset_ms }
        : { current: max + 1, ttl: decision.retry_after_ms },
    );
  }

  /** The count of `key` without counting. */
  read(key: string, callback: RouteStoreCallback, timeWindow: number, max: number): void {
    const decision = this.#limiter.peek([toLimit(key, timeWindow, max)]);
    callback(null, { current: max - decision.remaining, ttl: decision.reset_ms });
  }

  /** The store of a route with options of its own. */
  child(routeOptions: object): FastifyRateLimitStore {
    return new FastifyRateLimitStore(routeOptions);
  }
}

function toLimit(key: string, window_ms: number, limit: number): Limit {
  return { key, subject: key, name: 'per_route', limit, window_ms };
}
