import type { AuthFailureReason } from '../auth/index.js';
import { GatehouseError } from '../core/index.js';
import { type LimitSet, toRetryAfter } from '../limits/index.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';
import { noteLimit } from './limit.js';

// Nobody guesses by sending nothing, and a provider that is away is not the sender's doing.
const blameless: readonly AuthFailureReason[] = ['missing_credential', 'issuer_unavailable'];

/**
 * Counts a failed authentication against the address that it came from and against the caller that it claimed to be.
 * Gives the 429 to answer with when one of the budgets is spent; undefined otherwise. Only failures are counted and
 * only failures meet this, so that no number of wrong credentials keeps a caller with a right one out.
 */
export async function countFailure(
  gate: Gate,
  exchange: Exchange,
  reason: AuthFailureReason,
  claimed: string | undefined,
): Promise<GatehouseError | undefined> {
  exchange.claimed = claimed;
  if (blameless.includes(reason)) return undefined;
  const plan = exchange.generation.limits;
  const refused = await take(gate, exchange, plan.forAddress(exchange.address));
  if (refused || claimed === undefined) return refused;
  return take(gate, exchange, plan.forClaimedCaller(claimed));
}

async function take(gate: Gate, exchange: Exchange, set: LimitSet): Promise<GatehouseError | undefined> {
  if (set.limits.length === 0) return undefined;
  const decision = await gate.addressLimiter.take(set.limits);
  if (decision.allowed) return undefined;
  noteLimit(exchange, set, decision);
  return new GatehouseError('rate_limited', {
    detail: 'Too many failed authentications.',
    reason: 'too_many_failures',
    retry_after: toRetryAfter(decision),
  });
}
