import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CallScope, GatehouseError } from '../core/index.js';
import { encodePair, type TokenGrant } from './http-auth.js';
import { CallDeadline } from './http-deadline.js';
import { Exchange } from './http-exchange.js';
import type { UpstreamOrigin } from './http-origin.js';

const tokenTimeoutMs = 10_000;
const tokenLimitBytes = 65_536;
/** A token is renewed this long before it ends, so that none ends on its way. */
const earlyMs = 30_000;
/** For a token whose issuer does not say how long it lives. */
const defaultLifetimeS = 300;

// RFC 6749 section 5.1; the token is a b64token (RFC 6750 section 2.1), so it can't break out of a header.
const tokenAnswer = z.object({
  access_token: z.string().regex(/^[A-Za-z0-9\-._~+/]+=*$/),
  token_type: z.string().toLowerCase().pipe(z.literal('bearer')).optional(),
  expires_in: z.coerce.number().nonnegative().optional(),
});

/** The tokens of one grant: fetched when needed, shared by concurrent calls, kept until shortly before they end. */
export class TokenSource {
  readonly #grant: TokenGrant;
  readonly #path: string;
  #token: string | undefined;
  #renewAt = 0;
  #pending: Promise<string> | undefined;
  #inBody = false;

  constructor(
    grant: TokenGrant,
    readonly origin: UpstreamOrigin,
  ) {
    this.#grant = grant;
    this.#path = grant.upstream.url.pathname + grant.upstream.url.search;
  }

  /** A token that is good now. Rejects with GatehouseError `upstream_failed` when the issuer gives none. */
  get(): string | Promise<string> {
    if (this.#token !== undefined && Date.now() < this.#renewAt) return this.#token;
    this.#pending ??= this.#renew().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  /** Forgets a token that the upstream has refused. */
  drop(token: string): void {
    if (this.#token === token) this.#token = undefined;
  }

  async #renew(): Promise<string> {
    // Its own scope: the caller that happens to ask first must not take the token from the others by going away.
    const scope = new CallScope('token', tokenTimeoutMs, '');
    const deadline = new CallDeadline(scope, tokenTimeoutMs);
    try {
      return this.#keep(await this.#ask(deadline));
    } finally {
      deadline.release();
    }
  }

  // RFC 6749 section 2.3.1: every server knows Basic, some want the credentials in the body alone.
  async #ask(deadline: CallDeadline): Promise<Exchange> {
    const first = await this.#post(this.#inBody, deadline);
    if (first.status !== 400 && first.status !== 401) return first;
    const second = await this.#post(!this.#inBody, deadline);
    if (second.isSuccess) this.#inBody = !this.#inBody;
    return second;
  }

  async #post(inBody: boolean, deadline: CallDeadline): Promise<Exchange> {
    const { client_id, client_secret, scope } = this.#grant;
    const form = new URLSearchParams({ grant_type: 'client_credentials' });
    if (scope !== undefined) form.set('scope', scope);
    const headers = ['content-type', 'application/x-www-form-urlencoded', 'accept', 'application/json'];
    if (inBody) {
      form.set('client_id', client_id);
      form.set('client_secret', client_secret);
    } else {
      headers.push('authorization', `Basic ${encodePair(encodeForm(client_id), encodeForm(client_secret))}`);
    }
    const options = { path: this.#path, method: 'POST', headers, body: form.toString() } as const;
    const answer = await Exchange.send(this.origin.calls, options, tokenLimitBytes, deadline);
    this.origin.record(answer.failure ?? answer);
    return answer;
  }

  #keep(answer: Exchange): string {
    if (answer.failure) throw answer.failure;
    // A redirect is an answer like any other that holds no token (GHSA-8cp3-qxj6-px34).
    const token = answer.isSuccess ? parseToken(answer.body) : undefined;
    if (!token) throw refused(answer);
    this.#token = token.access_token;
    this.#renewAt = Date.now() + (token.expires_in ?? defaultLifetimeS) * 1000 - earlyMs;
    return token.access_token;
  }
}

/** Gives tools with the same grant the same tokens, for as long as the token endpoint's connections are kept. */
export class TokenSources {
  readonly #sources = new WeakMap<UpstreamOrigin, Map<string, TokenSource>>();

  get(grant: TokenGrant, origin: UpstreamOrigin): TokenSource {
    const known = this.#sources.get(origin) ?? new Map<string, TokenSource>();
    const identity = [grant.upstream.url.href, grant.client_id, grant.client_secret, grant.scope];
    const key = createHash('sha256').update(JSON.stringify(identity)).digest('base64url');
    const source = known.get(key) ?? new TokenSource(grant, origin);
    this.#sources.set(origin, known.set(key, source));
    return source;
  }
}

/** What is kept open for a call that may need a token: its own origin and the token endpoint's, which has the tokens. */
export function listAnchors(call: {
  readonly origin: UpstreamOrigin;
  readonly tokens: TokenSource | undefined;
}): readonly UpstreamOrigin[] {
  return call.tokens ? [call.origin, call.tokens.origin] : [call.origin];
}

function parseToken(body: Buffer): z.infer<typeof tokenAnswer> | undefined {
  try {
    return tokenAnswer.safeParse(JSON.parse(body.toString('utf8'))).data;
  } catch {
    // Not JSON, so no token.
    return undefined;
  }
}

// RFC 6749 section 2.3.1: the parts of Basic are form-encoded first.
function encodeForm(text: string): string {
  return new URLSearchParams({ x: text }).toString().slice('x='.length);
}

function refused({ status, headers, body }: Exchange): GatehouseError {
  const internal = `The token endpoint answered ${status} and no bearer token.`;
  return new GatehouseError('upstream_failed', {
    reason: 'token_refused',
    internal,
    detail: 'No token for the upstream.',
    upstream_answer: { status, content_type: headers['content-type'], retry_after: headers['retry-after'], body },
  });
}
