import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  authorizeCall,
  createAuthenticate,
  createLimit,
  createValidate,
  dispatchCall,
  type Gate,
} from '../pipeline/index.js';

/**
 * The order of every call, and the reason for it:
 * 1. authenticate: without a caller there is nothing to decide, and a stranger costs no more than a look at a header.
 * 2. authorize: what the caller may not see must not be counted, parsed or answered differently from what is not there.
 * 3. limit: keyed by a verified caller and a known tool; ahead of the body, so that a refusal costs no parsing.
 * 4. validate: reads the body, checks it against the inputs, and decides grants that depend on arguments.
 * 5. dispatch: the one stage that leaves this process.
 * 6. record: hooked to the response and to the abort alike (server), turns the exchange into one event.
 */
export function registerCallRoutes(app: FastifyInstance, gate: Gate): void {
  const onRequest = [markCall, createAuthenticate(gate), authorizeCall, createLimit(gate, 'call')];
  const url = '/tools/:manual/:tool';
  app.post(url, { onRequest, preHandler: createValidate('body') }, call);
  app.post(`${url}/body`, { onRequest, preHandler: createValidate('split') }, call);
  app.get(url, { onRequest, preHandler: createValidate('query'), exposeHeadRoute: false }, call);
}

function markCall(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.exchange.kind = 'call';
  done();
}

async function call(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { body } = await dispatchCall(request.exchange);
  // Exactly this type: the Python client hands back a string for anything else.
  return reply.header('content-type', 'application/json').header('cache-control', 'no-store').send(body);
}
