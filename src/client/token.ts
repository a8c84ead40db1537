import { TokenSource } from '../protocols/http-oauth.js';
import { toToolError } from './errors.js';
import type { HttpFetcher } from './http.js';
import type { Credential, OAuth2Credential } from './options.js';
import type { Provider } from './provider.js';

/** Gives the header that proves who the client is, for its own requests. */
export interface Authorizer {
  /** Throws ToolError when no token is to be had. */
  header(): Promise<Readonly<Record<string, string>>>;
  /** Forgets a token that was refused; false when there is nothing to renew. */
  renew(): boolean;
}

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

class TokenAuthorizer implements Authorizer {
  readonly #tokens: TokenSource;
  #latest: string | undefined;

  constructor(credential: OAuth2Credential, provider: Provider, fetcher: HttpFetcher) {
    const { client_id, client_secret, token_url, scope } = credential;
    const url = token_url === undefined ? provider.tokenUrl : new URL(token_url);
    const grant = { upstream: fetcher.guard(url), client_id, client_secret, scope };
    this.#tokens = new TokenSource(grant, fetcher.connect(url));
  }

  async header(): Promise<Readonly<Record<string, string>>> {
    try {
      this.#latest = await this.#tokens.get();
      return { authorization: `Bearer ${this.#latest}` };
    } catch (error) {
      throw toToolError(error);
    }
  }

  renew(): boolean {
    if (this.#latest === undefined) return false;
    this.#tokens.drop(this.#latest);
    return true;
  }
}
