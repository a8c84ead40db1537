import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatehouseError } from '../core/index.js';
import { type LimitDecision, type LimitSet, renderRateLimit, toRetryAfter } from '../limits/index.js';
import { requirePrincipal } from './authorize.js';
import type { Gate } from './gate.js';

type Done = (error?: Error) => void;

/**
 * Counts the request against its caller, and a call against caller and tool. After authorize, so that only verified
 * callers and known tools make keys; before the body is read, so that a refusal costs no parsing.
 */
export function createLimit(gate: Gate, kind: 'call' | 'discovery') {
  return function limit(request: FastifyRequest, reply: FastifyReply, done: Done): void {
    const { exchange } = request;
    const { limits } = exchange.generation;
    const caller = requirePrincipal(exchange).id;
    const set = kind === 'call' ? limits.forCall(caller, exchange.tool?.id ?? '') : limits.forDiscovery(caller);
    if (set.limits.length === 0) return done();
    const decision = gate.limiter.take(set.limits);
    if (!(decision instanceof Promise)) return settle(request, reply, set, decision, done);
    decision.then((late) => settle(request, reply, set, late, done), done);
  };
}

function settle(
  request: FastifyRequest,
  reply: FastifyReply,
  set: LimitSet,
  decision: LimitDecision,
  done: Done,
): void {
  if (decision.allowed) return done();
  reply.header('ratelimit-policy', set.policy).header('ratelimit', renderRateLimit(decision));
  request.exchange.limit = decision.limit.name;
  const retryAfter = toRetryAfter(decision);
  done(
    new GatehouseError('rate_limited', {
      detail: `At most ${decision.limit.limit} in ${decision.limit.window_ms / 1000} s; try again in ${retryAfter} s.`,
      reason: decision.limit.name,
      retry_after: retryAfter,
    }),
  );
}
