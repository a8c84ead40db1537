import type { FastifyReply, FastifyRequest } from 'fastify';
import { type AuthFailureReason, type AuthVerdict, type PresentedCredential, readCredential } from '../auth/index.js';
import { GatehouseError } from '../core/index.js';
import { readCertificate } from './certificate.js';
import { countFailure } from './count-failure.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';
import { refuseBusy } from './refuse-busy.js';

type Done = (error?: Error) => void;

/**
 * Who is calling. A credential that was verified before is answered for without a promise. A bad one is counted
 * against its address and the caller that it claimed; over either budget the answer is 429. Ahead of that, the chain
 * asks no identity provider about what an address sends whose budget is spent. A good key, signature or certificate from
 * it still passes: a neighbour behind the same gateway is not locked out.
 */
export function createAuthenticate(gate: Gate) {
  return function authenticate(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
    authenticateExchange(gate, request.exchange, present(request), done);
  };
}

/** What a request presents. */
export function present(request: FastifyRequest): PresentedCredential {
  return readCredential(request.raw.rawHeaders, request.exchange.address, readCertificate(request.raw.socket));
}

/** As the stage does, for an exchange without a request of its own: a message on an open connection. */
export function authenticateExchange(gate: Gate, exchange: Exchange, presented: PresentedCredential, done: Done): void {
  const busy = refuseBusy(gate);
  if (busy) return done(busy);
  const verdict = exchange.generation.authenticator.authenticate(presented);
  if (!(verdict instanceof Promise)) return settle(gate, exchange, verdict, done);
  verdict.then((late) => settle(gate, exchange, late, done), done);
}

function settle(gate: Gate, exchange: Exchange, verdict: AuthVerdict, done: Done): void {
  if (verdict.kind === 'rejected') {
    refuse(gate, exchange, verdict.reason, verdict.claimed).then(done, done);
    return;
  }
  exchange.principal = verdict.principal;
  exchange.verified_freshly = verdict.fresh;
  if (gate.blocks.isBlocked(verdict.principal.id, exchange.now_ms)) {
    return done(new GatehouseError('caller_blocked', { detail: 'This caller is blocked for now.' }));
  }
  done();
}

async function refuse(
  gate: Gate,
  exchange: Exchange,
  reason: AuthFailureReason,
  claimed: string | undefined,
): Promise<GatehouseError> {
  const refused = await countFailure(gate, exchange, reason, claimed);
  if (refused) return refused;
  return new GatehouseError(reason === 'missing_credential' ? 'unauthenticated' : 'invalid_token', { reason });
}
