import type { AuthProvider } from '@modelcontextprotocol/client';
import type { TokenGrant } from './http-auth.js';
import { TokenSource } from './http-oauth.js';
import { UpstreamOrigins } from './http-origin.js';

/** The bearer tokens of one connection: the client credentials grant (RFC 6749 section 4.4) behind the egress guard. */
export class BearerTokens implements AuthProvider {
  readonly #origins: UpstreamOrigins;
  readonly #source: TokenSource;
  #last = '';

  constructor(grant: TokenGrant) {
    // Whether the token endpoint answers is told by the connection that it is asked for.
    this.#origins = new UpstreamOrigins({ report: () => undefined });
    this.#source = new TokenSource(grant, this.#origins.get(grant.upstream));
  }

  async token(): Promise<string> {
    this.#last = await this.#source.get();
    return this.#last;
  }

  /** The server has refused the last token; the client asks for another, once. */
  async onUnauthorized(): Promise<void> {
    this.#source.drop(this.#last);
  }

  close(): Promise<void> {
    return this.#origins.close();
  }
}
