import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { describeAuthorizationServer, describeResource } from '../auth/index.js';
import { GatehouseError } from '../core/index.js';
import { FastifyRateLimitStore, renderPolicy, toRetryAfter } from '../limits/index.js';
import { countFailure, createMark, type Exchange, type Gate, noteLimit, refuseBusy } from '../pipeline/index.js';

/** How often one address may ask routes that know no caller. */
const perAddress = { max: 600, timeWindow: 60_000 } as const;
/** How many tokens one client may ask for. */
const perClient = { limit: 600, window_ms: 60_000 } as const;

/** `POST /oauth/token` (RFC 6749 section 4.4) and the metadata by which a client finds its way alone. */
export async function registerOauthRoutes(app: FastifyInstance, gate: Gate): Promise<void> {
  await app.register(async (open) => {
    // The store refuses new addresses when it is full instead of forgetting old ones, as the plugin's own would.
    await open.register(rateLimit, {
      global: true,
      ...perAddress,
      store: FastifyRateLimitStore,
      enableDraftSpec: true,
    });
    // By client and by failures instead: what one address sends must not keep a good client behind it from its token.
    const onRequest = createMark(gate, 'token', '/oauth/token');
    const unlimited = { onRequest, bodyLimit: 16_384, config: { rateLimit: false } } as const;
    open.post('/oauth/token', unlimited, (request, reply) => issueToken(gate, request, reply));
    for (const path of ['', '/utcp'] as const) {
      open.get(`/.well-known/oauth-protected-resource${path}`, (request, reply) =>
        publish(reply, describeResource(request.exchange.generation.metadata, path)),
      );
    }
    open.get('/.well-known/oauth-authorization-server', (request, reply) =>
      publish(reply, describeAuthorizationServer(request.exchange.generation.metadata)),
    );
    // One set for tokens and manuals: `typ` keeps a signature over one from being taken for the other.
    open.get('/.well-known/jwks.json', (request, reply) => {
      const { issuer, signing_keys } = request.exchange.generation;
      return publish(reply, { keys: [...issuer.publishKeys().keys, ...signing_keys] });
    });
  });
}

function publish(reply: FastifyReply, document: object): FastifyReply {
  return reply
    .header('content-type', 'application/json')
    .header('cache-control', 'public, max-age=300')
    .send(JSON.stringify(document));
}

async function issueToken(gate: Gate, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { exchange } = request;
  const busy = refuseBusy(gate);
  if (busy) throw busy;
  const answer = await exchange.generation.issuer.issue({
    content_type: request.headers['content-type'],
    body: Buffer.isBuffer(request.body) ? request.body.toString('utf8') : '',
    authorization: request.headers.authorization,
  });
  if (answer.outcome.kind === 'issued') {
    await countToken(gate, exchange, answer.outcome.caller);
    exchange.issued = answer.outcome;
  } else if (answer.outcome.kind === 'refused') {
    const { reason, claimed } = answer.outcome;
    const refused = await countFailure(gate, exchange, reason, claimed);
    if (refused) throw refused;
    exchange.error = new GatehouseError('invalid_client', { reason });
  } else {
    exchange.error = new GatehouseError('malformed_request', { reason: answer.outcome.error });
  }
  return reply
    .code(answer.status)
    .headers(answer.headers)
    .header('content-type', 'application/json')
    .send(JSON.stringify(answer.body));
}

// Throws GatehouseError `rate_limited`. Only a client whose secret was right gets here, so nobody else spends its tokens.
async function countToken(gate: Gate, exchange: Exchange, caller: string): Promise<void> {
  exchange.claimed = caller;
  const limit = { key: `token ${caller}`, subject: caller, name: 'tokens_per_minute', ...perClient };
  const decision = await gate.limiter.take([limit]);
  if (decision.allowed) return;
  noteLimit(exchange, { limits: [limit], policy: renderPolicy([limit]) }, decision);
  throw new GatehouseError('rate_limited', {
    detail: `At most ${limit.limit} tokens in a minute: a token is good for more than one call.`,
    reason: limit.name,
    retry_after: toRetryAfter(decision),
  });
}
