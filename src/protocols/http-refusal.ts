import { GatehouseError } from '../core/index.js';
import { parseRetryAfter } from './retry.js';

/** An answer that was no success, and what was read of it. */
export interface RefusedAnswer {
  readonly status: number;
  readonly headers: { readonly 'content-type'?: string | undefined; readonly 'retry-after'?: string | undefined };
  readonly body: Buffer;
}

/**
 * The error of a refused request. Callers see the status alone: an upstream's error text is full of what they must not.
 * The answer itself travels for the reference client, whose upstream is the provider.
 */
export function describeRefusal(answer: RefusedAnswer): GatehouseError {
  const retryAfter = answer.headers['retry-after'];
  const waitMs = parseRetryAfter(retryAfter);
  return new GatehouseError('upstream_failed', {
    detail: `The upstream answered with status ${answer.status}.`,
    reason: `status_${answer.status}`,
    upstream_status: answer.status,
    upstream_answer: {
      status: answer.status,
      content_type: answer.headers['content-type'],
      retry_after: retryAfter,
      body: answer.body,
    },
    ...(waitMs !== undefined && { retry_after: Math.ceil(waitMs / 1000) }),
  });
}
