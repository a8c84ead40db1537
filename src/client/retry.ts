import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs, isRetryableStatus } from '../protocols/retry.js';
import { RateLimitedError, ToolError, TransportError, UpstreamError } from './errors.js';

/** How a call is tried again. */
export interface RetryPolicy {
  /** How often at most, beside the first try. */
  readonly retries: number;
  /** The longest `Retry-After` that is waited for, in whole milliseconds. */
  readonly max_wait_ms: number;
  /** Epoch milliseconds after which nothing is begun. */
  readonly deadline: number;
  /** Ends the waiting. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `attempt` until it succeeds, fails for good, or the retries or the time are used up. `Retry-After` is kept to: it
 * is waited for, or, where that would be too long, the error is thrown at once. For idempotent work only.
 */
export async function retry<Result>(policy: RetryPolicy, attempt: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const delay = tries < policy.retries ? delayBefore(error, tries, policy) : undefined;
      if (delay === undefined || policy.signal?.aborted) throw error;
      await wait(delay, policy.signal, error);
    }
  }
}

function delayBefore(error: unknown, tries: number, policy: RetryPolicy): number | undefined {
  if (!(error instanceof ToolError) || !isTemporary(error)) return undefined;
  const asked = error.details.retry_after;
  const delay = asked === undefined ? backoffMs(tries) : asked * 1000;
  if (asked !== undefined && delay > policy.max_wait_ms) return undefined;
  return Date.now() + delay < policy.deadline ? delay : undefined;
}

function isTemporary(error: ToolError): boolean {
  if (error instanceof TransportError) return error.code !== 'client_aborted';
  return error instanceof RateLimitedError || (error instanceof UpstreamError && isRetryableStatus(error.status ?? 0));
}

async function wait(delay: number, signal: AbortSignal | undefined, error: unknown): Promise<void> {
  try {
    await sleep(delay, undefined, signal && { signal });
  } catch {
    // Aborted while waiting: what made it wait says more.
    throw error;
  }
}
