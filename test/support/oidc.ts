import { createServer, type Server } from 'node:http';
import Provider, { type Configuration } from 'oidc-provider';
import { z } from 'zod';
import type { TestKey } from './forge.js';
import { addressOf } from './provider.js';

const audience = 'https://tools.example';
const clients = [
  { client_id: 'agent', client_secret: 'agent-secret', scope: 'tools:read tools:execute' },
  { client_id: 'gatehouse', client_secret: 'gatehouse-secret', scope: 'tools:read' },
];
const tokenAnswer = z.object({ access_token: z.string() });

/** The real oidc-provider on loopback. Its port stays, so that it can go away and come back with other keys. */
export class IdentityProvider {
  /** Requests for the key set, over all of its lives. */
  key_requests = 0;
  #server: Server | undefined;
  #port = 0;

  /** Starts with these keys, the first of an algorithm signs; the `format` is of its access tokens. */
  async start(keys: readonly TestKey[], format: 'jwt' | 'opaque' = 'jwt'): Promise<void> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = addressOf(server).port;
    this.#server = server;
    const provider = new Provider(this.issuer, configure(keys, format));
    const answer = provider.callback();
    server.on('request', (request, response) => {
      if (request.url === '/jwks') this.key_requests++;
      // A connection kept for later would be one to a provider that is gone by then.
      response.setHeader('connection', 'close');
      void answer(request, response);
    });
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** An access token for the agent, by client credentials. */
  async issue(scope = 'tools:read'): Promise<string> {
    const answer = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('agent:agent-secret').toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource: audience }),
    });
    return tokenAnswer.parse(await answer.json()).access_token;
  }

  async revoke(token: string): Promise<void> {
    await fetch(`${this.issuer}/token/revocation`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('agent:agent-secret').toString('base64')}` },
      body: new URLSearchParams({ token }),
    });
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
    this.#server = undefined;
  }
}

function configure(keys: readonly TestKey[], format: 'jwt' | 'opaque'): Configuration {
  const alg = keys[0]?.algorithm ?? 'RS256';
  const server = {
    scope: 'tools:read tools:execute',
    audience,
    accessTokenFormat: format,
    accessTokenTTL: 300,
    jwt: { sign: { alg } },
  };
  return {
    clients: clients.map((client) => ({
      ...client,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic' as const,
      id_token_signed_response_alg: alg,
    })),
    scopes: ['tools:read', 'tools:execute'],
    jwks: { keys: keys.map((key) => ({ ...key.jwk, ...key.privateKey.export({ format: 'jwk' }), kty: kindOf(key) })) },
    ttl: { ClientCredentials: 300 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: async () => true },
      revocation: { enabled: true, allowedPolicy: async () => true },
      resourceIndicators: { enabled: true, getResourceServerInfo: async () => server },
    },
  };
}

function kindOf(key: TestKey): 'RSA' | 'EC' | 'OKP' {
  const { asymmetricKeyType } = key.publicKey;
  if (asymmetricKeyType === 'rsa') return 'RSA';
  return asymmetricKeyType === 'ec' ? 'EC' : 'OKP';
}
