import type { SecurityEvent } from '../events/index.js';
import type { BreakerState, RedisReason, StoreStatus } from '../limits/index.js';
import type { UpstreamReport } from '../protocols/index.js';

/** What is recorded when the shared state goes or comes back. */
export function describeState(status: StoreStatus, reason: RedisReason): SecurityEvent {
  return status === 'degraded'
    ? { event: 'state.degraded', outcome: 'failure', reason, store: 'redis' }
    : { event: 'state.restored', outcome: 'success', reason, store: 'redis' };
}

/** What is recorded when an upstream's breaker opens or closes. */
export function describeBreaker(upstream: string, state: BreakerState): SecurityEvent {
  const outcome = state === 'open' ? 'failure' : 'success';
  return { event: 'upstream.failed', outcome, upstream, reason: `breaker_${state}` };
}

/** What is recorded when a protocol tells of an upstream. */
export function describeUpstream(fact: UpstreamReport): SecurityEvent {
  const tool = fact.tool === undefined ? {} : { tool: fact.tool };
  return {
    event: 'upstream.failed',
    outcome: fact.kind === 'recovered' || fact.kind === 'restarted' ? 'success' : 'failure',
    upstream: fact.upstream,
    reason: fact.reason,
    ...tool,
  };
}
