import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatehouseError } from '../core/index.js';
import { type LimitDecision, type LimitSet, renderRateLimit, toRetryAfter } from '../limits/index.js';
import { requirePrincipal } from './authorize.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';

type Done = (error?: Error) => void;

/**
 * Counts the request against its caller, and a call against caller and tool. After authorize, so that only verified
 * callers and known tools make keys; before the body is read, so that a refusal costs no parsing.
 */
export function createLimit(gate: Gate, kind: LimitKind) {
  return function limit(request: FastifyRequest, reply: FastifyReply, done: Done): void {
    const { exchange } = request;
    const set = chooseLimits(exchange, kind);
    if (set.limits.length === 0) return done();
    const decision = gate.limiter.take(set.limits);
    if (!(decision instanceof Promise)) return settle(exchange, reply, set, decision, done);
    decision.then((late) => settle(exchange, reply, set, late, done), done);
  };
}

export type LimitKind = 'call' | 'discovery';

/** As the stage does, for an exchange without a response of its own; gives the refusal, or undefined. */
export async function countExchange(
  gate: Gate,
  exchange: Exchange,
  kind: LimitKind,
): Promise<GatehouseError | undefined> {
  const set = chooseLimits(exchange, kind);
  if (set.limits.length === 0) return undefined;
  const decision = await gate.limiter.take(set.limits);
  return decision.allowed ? undefined : describeLimit(exchange, decision);
}

function chooseLimits(exchange: Exchange, kind: LimitKind): LimitSet {
  const { limits } = exchange.generation;
  const caller = requirePrincipal(exchange).id;
  return kind === 'call' ? limits.forCall(caller, exchange.tool?.id ?? '') : limits.forDiscovery(caller);
}

function settle(exchange: Exchange, reply: FastifyReply, set: LimitSet, decision: LimitDecision, done: Done): void {
  if (decision.allowed) return done();
  reply.header('ratelimit-policy', set.policy).header('ratelimit', renderRateLimit(decision));
  done(describeLimit(exchange, decision));
}

function describeLimit(exchange: Exchange, decision: LimitDecision): GatehouseError {
  exchange.limit = decision.limit.name;
  const retryAfter = toRetryAfter(decision);
  return new GatehouseError('rate_limited', {
    detail: `At most ${decision.limit.limit} in ${decision.limit.window_ms / 1000} s; try again in ${retryAfter} s.`,
    reason: decision.limit.name,
    retry_after: retryAfter,
  });
}
