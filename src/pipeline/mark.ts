import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Exchange, ExchangeKind, Route } from './exchange.js';
import type { Gate } from './gate.js';

/** Says what an exchange is, for its event, its metrics and its trace. `method` is a method or a kind of message. */
export function markExchange(gate: Gate, exchange: Exchange, kind: ExchangeKind, route: Route, method: string): void {
  exchange.kind = kind;
  exchange.route = route;
  if (gate.tracing) exchange.trace = gate.tracing.begin(exchange, method);
}

/** The first hook of a route. */
export function createMark(gate: Gate, kind: ExchangeKind, route: Route) {
  return function mark(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
    markExchange(gate, request.exchange, kind, route, request.method);
    done();
  };
}
