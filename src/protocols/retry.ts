/** Methods whose second execution changes nothing more than the first (RFC 9110 section 9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
const retryableStatuses: ReadonlySet<number> = new Set([502, 503, 504]);

const firstBackoffMs = 100;
const longestBackoffMs = 5000;

/** Whether a request with this method may be sent again without being asked to. */
export function isIdempotent(method: string): boolean {
  return idempotentMethods.has(method);
}

/** Whether a status says that a gateway or an overloaded upstream, and not the request, is the trouble. */
export function isRetryableStatus(status: number): boolean {
  return retryableStatuses.has(status);
}

/** Milliseconds to wait before retry number `attempt` (from 0): doubling, with full jitter so that clients spread. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return Math.ceil(random() * Math.min(longestBackoffMs, firstBackoffMs * 2 ** attempt));
}

/**
 * The wait that a Retry-After field asks for (RFC 9110 section 10.2.3), in milliseconds from `now`; undefined when it
 * is absent or neither seconds nor a date.
 */
export function parseRetryAfter(value: string | undefined, now: number = Date.now()): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const date = /[A-Za-z]{3}/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
