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
  return function limit(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
    const { exchange } = request;
    const set = chooseLimits(exchange, kind);
    if (set.limits.length === 0) return done();
    const decision = gate.limiter.take(set.limits);
    if (!(decision instanceof Promise)) return done(describeLimit(exchange, set, decision));
    decision.then((late) => done(describeLimit(exchange, set, late)), done);
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
  return describeLimit(exchange, set, await gate.limiter.take(set.limits));
}

function chooseLimits(exchange: Exchange, kind: LimitKind): LimitSet {
  const { limits } = exchange.generation;
  const caller = requirePrincipal(exchange).id;
  return kind === 'call' ? limits.forCall(caller, exchange.tool?.id ?? '') : limits.forDiscovery(caller);
}

/** Notes on the exchange which limit refused it, for the event and for the headers of the answer. */
export function noteLimit(exchange: Exchange, { policy }: LimitSet, decision: LimitDecision): void {
  exchange.limit = decision.limit.name;
  exchange.limit_headers = { 'ratelimit-policy': policy, ratelimit: renderRateLimit(decision) };
}

function describeLimit(exchange: Exchange, set: LimitSet, decision: LimitDecision): GatehouseError | undefined {
  if (decision.allowed) return undefined;
  noteLimit(exchange, set, decision);
  const retryAfter = toRetryAfter(decision);
  return new GatehouseError('rate_limited', {
    detail: `At most ${decision.limit.limit} in ${decision.limit.window_ms / 1000} s; try again in ${retryAfter} s.`,
    reason: decision.limit.name,
    retry_after: retryAfter,
  });
}
