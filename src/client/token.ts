import { isJsonObject } from '../core/index.js';
import { AuthenticationError, fromProblem } from './errors.js';
import { asUpstreamAnswer, type HttpAnswer, type HttpFetcher } from './http.js';
import type { Credential, OAuth2Credential } from './options.js';
import { readProblem } from './problem.js';
import type { Provider } from './provider.js';

/** Gives the header that proves who the client is, for its own requests. */
export interface Authorizer {
  header(): Promise<Readonly<Record<string, string>>>;
  /** Forgets a token that was refused; false when there is nothing to renew. */
  renew(): boolean;
}

/** A token is renewed this long before its end, so that none runs out on its way. */
const renewAhead_ms = 10_000;
/** Seconds that a token is taken to live when its issuer does not say. */
const defaultLifetime_s = 300;

/** Makes the header of the credential; OAuth tokens are fetched when first needed, shared and renewed. */
export function createAuthorizer(
  credential: Credential | undefined,
  provider: Provider,
  fetcher: HttpFetcher,
): Authorizer {
  if (credential && 'oauth2' in credential) return new TokenAuthorizer(credential.oauth2, provider, fetcher);
  const header: Record<string, string> = {};
  if (credential && 'api_key' in credential) header['x-api-key'] = credential.api_key;
  else if (credential) header.authorization = `Bearer ${credential.bearer}`;
  return { header: async () => header, renew: () => false };
}

interface Token {
  readonly value: string;
  /** Epoch milliseconds. */
  readonly expires_at: number;
}

class TokenAuthorizer implements Authorizer {
  readonly #credential: OAuth2Credential;
  readonly #url: URL;
  readonly #fetcher: HttpFetcher;
  #token: Token | undefined;
  #pending: Promise<Token> | undefined;

  constructor(credential: OAuth2Credential, provider: Provider, fetcher: HttpFetcher) {
    this.#credential = credential;
    this.#url = credential.token_url === undefined ? provider.tokenUrl : new URL(credential.token_url);
    this.#fetcher = fetcher;
  }

  async header(): Promise<Readonly<Record<string, string>>> {
    const current = this.#token;
    if (current && current.expires_at - renewAhead_ms > Date.now()) return toHeader(current);
    this.#pending ??= this.#request().finally(() => {
      this.#pending = undefined;
    });
    this.#token = await this.#pending;
    return toHeader(this.#token);
  }

  renew(): boolean {
    const had = this.#token !== undefined;
    this.#token = undefined;
    return had;
  }

  async #request(): Promise<Token> {
    const { client_id: id, client_secret: secret, scope } = this.#credential;
    const form = new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== undefined && { scope }) });
    // RFC 6749 section 2.3.1: both halves are form-encoded before they become Basic credentials.
    const pair = `${formEncode(id)}:${formEncode(secret)}`;
    const answer = await this.#fetcher.fetch(this.#url, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: form.toString(),
    });
    return readToken(answer);
  }
}

function toHeader(token: Token): Readonly<Record<string, string>> {
  return { authorization: `Bearer ${token.value}` };
}

function formEncode(text: string): string {
  return new URLSearchParams({ v: text }).toString().slice(2);
}

function readToken(answer: HttpAnswer): Token {
  const text = answer.body.toString('utf8');
  if (answer.status !== 200) throw refusedGrant(answer, text);
  const document: unknown = parse(text);
  if (!isJsonObject(document) || typeof document.access_token !== 'string') {
    throw new AuthenticationError('Token endpoint invalid: it answered without an access token', { code: 'no_token' });
  }
  const lifetime = typeof document.expires_in === 'number' ? document.expires_in : defaultLifetime_s;
  return { value: document.access_token, expires_at: Date.now() + lifetime * 1000 };
}

// RFC 6749 section 5.2: `error` is a code; a problem document may stand there instead.
function refusedGrant(answer: HttpAnswer, text: string): Error {
  const document = parse(text);
  const error = isJsonObject(document) && typeof document.error === 'string' ? document.error : undefined;
  if (error === undefined || answer.status === 429) return fromProblem(readProblem(asUpstreamAnswer(answer)));
  const code = error.replace(/[^\w.-]/g, '').slice(0, 60);
  return new AuthenticationError(`Token refused: ${code}`, { code, status: answer.status });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Whatever it is, it holds no token.
    return undefined;
  }
}
