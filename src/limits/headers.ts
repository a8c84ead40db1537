import type { Limit, LimitDecision } from './limiter.js';

/**
 * The `RateLimit-Policy` header (draft-ietf-httpapi-ratelimit-headers, a structured-field list of policies): the quota
 * and the window in seconds of each limit.
 */
export function renderPolicy(limits: readonly Limit[]): string {
  return limits.map(({ name, limit, window_ms }) => `"${name}";q=${limit};w=${Math.ceil(window_ms / 1000)}`).join(', ');
}

/**
 * The `RateLimit` header of the same draft: of the limit that decides, what is left (`r`) and the seconds until it is
 * whole again, or until one more is allowed when nothing is left (`t`).
 */
export function renderRateLimit(decision: LimitDecision): string {
  const wait_ms = decision.allowed ? decision.reset_ms : decision.retry_after_ms;
  return `"${decision.limit.name}";r=${decision.remaining};t=${Math.ceil(wait_ms / 1000)}`;
}

/** Whole seconds for `Retry-After` (RFC 9110 section 10.2.3), at least 1, rounded up so that a wait of it suffices. */
export function toRetryAfter(decision: LimitDecision): number {
  return Math.max(1, Math.ceil(decision.retry_after_ms / 1000));
}
