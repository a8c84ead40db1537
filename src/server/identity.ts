import { generateKeyPairSync } from 'node:crypto';
import fastifyJwt from '@fastify/jwt';
import type { FastifyInstance } from 'fastify';
import {
  ApiKeyVerifier,
  type Authenticator,
  adaptFastifyJwt,
  type CallerDirectory,
  createAuthenticator,
  createTrustedIssuers,
  JwtVerifier,
  KeyRing,
  KeySets,
  type MetadataParts,
  TokenIssuer,
} from '../auth/index.js';
import type { LoadedConfig } from '../config/index.js';
import type { EventSink } from '../events/index.js';
import { createProviderFetch, type ProviderFetch } from './provider-fetch.js';

/** What one configuration says of callers, ready to be asked. */
export interface IdentityGeneration {
  readonly authenticator: Authenticator;
  readonly issuer: TokenIssuer;
  readonly metadata: MetadataParts;
}

/** Who may vouch for callers, across reloads: key sets and signing keys outlive the configuration that named them. */
export class Identity {
  readonly #app: FastifyInstance;
  readonly #sink: EventSink;
  readonly #publicUrl: () => string;
  readonly #keySets: KeySets;
  #keys: KeyRing | undefined;
  #keysConfig = '';
  #fetch: ProviderFetch | undefined;

  constructor(app: FastifyInstance, sink: EventSink, publicUrl: () => string) {
    this.#app = app;
    this.#sink = sink;
    this.#publicUrl = publicUrl;
    this.#keySets = new KeySets((request) => {
      if (!this.#fetch) return Promise.reject(new Error('no identity provider is configured'));
      return this.#fetch.fetchJson(request);
    });
  }

  /** Registers @fastify/jwt, whose `verify` checks every signature. */
  async register(): Promise<void> {
    // Every verification brings its issuer's own key; one that was forgotten would meet a key that signed nothing.
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    await this.#app.register(fastifyJwt, { secret: { public: pem, private: '' } });
  }

  /** Reads what a configuration says of callers and issuers. Throws LoadError for what can't be used. */
  build(loaded: LoadedConfig, callers: CallerDirectory): IdentityGeneration {
    const { auth, policy, server } = loaded.config;
    const previous = this.#fetch;
    this.#fetch = createProviderFetch(auth, loaded.base_dir);
    void previous?.close();
    const issuer = new TokenIssuer({
      callers,
      keys: this.#openKeys(loaded),
      public_url: this.#publicUrl,
      token_lifetime_s: auth.token_lifetime_s,
    });
    const trusted = createTrustedIssuers(auth, {
      callers,
      roles: new Set(Object.keys(policy.roles)),
      loadVariable: (name) => loaded.variables.load(name),
      key_sets: this.#keySets,
    });
    const jwt = new JwtVerifier({
      issuers: [...trusted, issuer.trust()],
      verify: adaptFastifyJwt((token, options) => this.#app.jwt.verify(token, options)),
      clock_tolerance_ms: auth.clock_tolerance_s * 1000,
    });
    return {
      authenticator: createAuthenticator({ verifiers: [new ApiKeyVerifier(callers), jwt] }),
      issuer,
      metadata: {
        public_url: this.#publicUrl(),
        issues_tokens: loaded.config.callers.some(({ oauth_client }) => oauth_client !== undefined),
        issuers: auth.jwt.map((entry) => entry.issuer),
        client_certificates: server.tls?.client_ca_file !== undefined,
      },
    };
  }

  async close(): Promise<void> {
    await this.#fetch?.close();
  }

  #openKeys(loaded: LoadedConfig): KeyRing {
    const { issuer, token_lifetime_s } = loaded.config.auth;
    const config = JSON.stringify([issuer, token_lifetime_s]);
    if (this.#keys && config === this.#keysConfig) return this.#keys;
    this.#keysConfig = config;
    this.#keys = new KeyRing({
      algorithm: issuer.algorithm,
      rotation_ms: issuer.rotation_s * 1000,
      lifetime_ms: token_lifetime_s * 1000,
      ...(issuer.key_file !== undefined && { key_file: issuer.key_file }),
      on_new_key: (key) => this.#sink.emit({ event: 'key.rotated', outcome: 'success', key }),
      on_problem: (reason) => this.#sink.emit({ event: 'key.rotated', outcome: 'failure', reason }),
    });
    return this.#keys;
  }
}
