import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { JsonObject } from '../core/index.js';
import { type CallerDirectory, type OAuthClient, sortNames } from './caller.js';
import type { RevocationCheck } from './chain.js';
import { type ClientCredentials, parseTokenRequest } from './client-credentials.js';
import type { AuthFailureReason } from './credential.js';
import { digestSecret, matchesDigest } from './digest.js';
import type { TrustedIssuer } from './jwt.js';
import type { KeyRing } from './key-ring.js';
import { makeClientPrincipal, readScopes } from './subject.js';

export interface TokenIssuerOptions {
  readonly callers: CallerDirectory;
  readonly keys: KeyRing;
  /** The server's own URL without a trailing slash: the tokens' issuer and audience. Known once the server listens. */
  readonly public_url: () => string;
  readonly token_lifetime_s: number;
  readonly revocations?: RevocationCheck;
  readonly now?: () => number;
}

/** A `POST /oauth/token` as it came. */
export interface TokenRequest {
  readonly content_type: string | undefined;
  /** The body's text, not parsed. */
  readonly body: string;
  readonly authorization: string | undefined;
}

/** What to answer, and what to record of it. */
export interface TokenAnswer {
  readonly status: 200 | 400 | 401;
  readonly headers: Readonly<Record<string, string>>;
  /** RFC 6749 section 5.1 or 5.2. */
  readonly body: JsonObject;
  readonly outcome:
    | { readonly kind: 'issued'; readonly caller: string; readonly scope: string; readonly jti: string }
    | { readonly kind: 'refused'; readonly reason: AuthFailureReason; readonly claimed?: string }
    /** A request that says nothing of who sent it; no failed authentication. */
    | { readonly kind: 'malformed'; readonly error: string };
}

const headers = { 'cache-control': 'no-store', pragma: 'no-cache' };
// An unknown client costs the same comparison as a known one.
const nobody = digestSecret('no client has this secret');

/** The built-in token endpoint: client_credentials for the configured `oauth_client`s (RFC 6749 section 4.4). */
export class TokenIssuer {
  readonly #options: TokenIssuerOptions;
  readonly #now: () => number;

  constructor(options: TokenIssuerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Answers a token request. Tokens are independent: a second one does not end the first, and two requests at once (the
   * TypeScript client's habit) both succeed. Never throws for a bad request.
   */
  async issue(request: TokenRequest): Promise<TokenAnswer> {
    const parsed = parseTokenRequest(request.content_type, request.body, request.authorization);
    if (parsed.kind === 'malformed') return malformed('invalid_request', parsed.description);
    if (parsed.grant_type === undefined) return malformed('invalid_request', 'grant_type is missing.');
    if (parsed.grant_type !== 'client_credentials') {
      return malformed('unsupported_grant_type', 'Only client_credentials is supported.');
    }
    const client = this.#authenticate(parsed.credentials);
    if ('reason' in client) return refuse(client, parsed.basic);
    if (!parsed.resources.every((resource) => this.#isOurs(resource))) {
      return malformed('invalid_target', 'This server issues tokens for itself alone.');
    }
    const scopes = sortNames(parsed.scopes ?? client.scopes);
    if (!scopes.every((scope) => client.scopes.includes(scope))) return refuseScope(client);
    return this.#grant(client, scopes.join(' '));
  }

  /** The keys under `/.well-known/jwks.json`. */
  publishKeys(): ReturnType<KeyRing['publish']> {
    return this.#options.keys.publish();
  }

  /** This issuer as one that the JWT verifier believes. A client that is no longer configured has no tokens. */
  trust(): TrustedIssuer {
    const { callers, keys, public_url } = this.#options;
    const find = (claims: JsonObject) => {
      const client = typeof claims.client_id === 'string' ? callers.byClientId(claims.client_id) : undefined;
      return client?.caller.id === claims.sub ? client : undefined;
    };
    return {
      get issuer() {
        return public_url();
      },
      get audience() {
        return [public_url()];
      },
      algorithms: ['ES256', 'EdDSA'],
      access_tokens_only: true,
      keys,
      map(claims, digest) {
        const client = find(claims);
        return client ? makeClientPrincipal(client, readScopes(claims) ?? [], digest) : 'client_unknown';
      },
      claimedCaller: (claims) => find(claims)?.caller.id,
    };
  }

  #authenticate(
    credentials: readonly ClientCredentials[],
  ): OAuthClient | { readonly reason: AuthFailureReason; readonly claimed?: string } {
    if (credentials.length === 0) return { reason: 'missing_credential' };
    let claimed: string | undefined;
    for (const { client_id, client_secret } of credentials) {
      const client = this.#options.callers.byClientId(client_id);
      const fits = matchesDigest(client?.secret_digest ?? nobody, digestSecret(client_secret));
      claimed = client?.caller.id ?? claimed;
      if (!client || !fits) continue;
      const name = client.secret_digest.toString('base64url');
      const revoked = this.#options.revocations?.refuse(client.caller.id, name, undefined);
      return revoked ? { reason: revoked, claimed: client.caller.id } : client;
    }
    return claimed === undefined ? { reason: 'client_unknown' } : { reason: 'client_secret', claimed };
  }

  #isOurs(resource: string): boolean {
    const url = this.#options.public_url();
    return resource === url || resource.startsWith(`${url}/`);
  }

  async #grant(client: OAuthClient, scope: string): Promise<TokenAnswer> {
    const { keys, public_url, token_lifetime_s } = this.#options;
    const key = keys.current();
    const issuedAt = Math.floor(this.#now() / 1000);
    const jti = randomUUID();
    // RFC 9068 section 2.2.
    const token = await new SignJWT({ client_id: client.client_id, scope })
      .setProtectedHeader({ alg: key.algorithm, kid: key.kid, typ: 'at+jwt' })
      .setIssuer(public_url())
      .setAudience(public_url())
      .setSubject(client.caller.id)
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + token_lifetime_s)
      .setJti(jti)
      .sign(key.private_key);
    return {
      status: 200,
      headers,
      body: { access_token: token, token_type: 'Bearer', expires_in: token_lifetime_s, scope },
      outcome: { kind: 'issued', caller: client.caller.id, scope, jti },
    };
  }
}

function malformed(error: string, description: string): TokenAnswer {
  return {
    status: 400,
    headers,
    body: { error, error_description: description },
    outcome: { kind: 'malformed', error },
  };
}

function refuse(why: { readonly reason: AuthFailureReason; readonly claimed?: string }, basic: boolean): TokenAnswer {
  // RFC 6749 section 5.2: a client that tried Basic is answered with that scheme.
  const challenge = basic ? { 'www-authenticate': 'Basic realm="oauth", charset="UTF-8"' } : {};
  return {
    status: 401,
    headers: { ...headers, ...challenge },
    body: { error: 'invalid_client', error_description: 'The client is unknown or its secret is wrong.' },
    outcome: { kind: 'refused', ...why },
  };
}

function refuseScope(client: OAuthClient): TokenAnswer {
  return {
    status: 400,
    headers,
    body: { error: 'invalid_scope', error_description: 'The client may not have a scope that it asks for.' },
    outcome: { kind: 'refused', reason: 'scope_not_granted', claimed: client.caller.id },
  };
}
