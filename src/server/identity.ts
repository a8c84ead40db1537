import { createPublicKey } from 'node:crypto';
import { resolve } from 'node:path';
import fastifyJwt from '@fastify/jwt';
import fastify, { type FastifyInstance } from 'fastify';
import {
  type AuthConfig,
  type Authenticator,
  type Identity as AuthIdentity,
  adaptFastifyJwt,
  createIdentity,
  generatePrivateKey,
  IdentityState,
  type MetadataParts,
  type TokenIssuer,
} from '../auth/index.js';
import type { LoadedConfig } from '../config/index.js';
import { describeFinding, type Principal } from '../core/index.js';
import type { EventSink } from '../events/index.js';
import { createLimitPlan, type LimitDecision, type State } from '../limits/index.js';
import { createProviderFetch, type ProviderFetch } from './provider-fetch.js';

/** What one configuration says of callers, ready to be asked. */
export interface IdentityGeneration {
  readonly authenticator: Authenticator;
  readonly issuer: TokenIssuer;
  readonly metadata: MetadataParts;
}

interface Built {
  readonly identity: AuthIdentity;
  readonly fetch: ProviderFetch;
}

/** Who may vouch for callers, across reloads: key sets, signing keys and revocations outlive a configuration. */
export class Identity {
  /** Never listens: an app that mounts the server may have registered @fastify/jwt for its own tokens. */
  readonly #verifier: FastifyInstance = fastify({ logger: false });
  readonly #publicUrl: () => string;
  readonly #shared: State;
  readonly #state: IdentityState;
  #current: Built | undefined;
  /** Built for configurations that are not in force yet, or never came to be. */
  #waiting: Built[] = [];

  /** `endCalls` ends what runs for credentials that were taken back: a stream would else outlast its key. */
  constructor(
    sink: EventSink,
    publicUrl: () => string,
    shared: State,
    endCalls: (isRevoked: (principal: Principal) => boolean) => void,
  ) {
    this.#publicUrl = publicUrl;
    this.#shared = shared;
    const ask: IdentityState['fetch_json'] = (request) =>
      this.#current?.fetch.fetchJson(request) ?? Promise.reject(new Error('no configuration is in force'));
    this.#state = new IdentityState(ask, reportTo(sink), shared.revocations);
    const { revocations } = this.#state;
    revocations.onChange(() =>
      endCalls(({ id, credential_digest, token_id }) => {
        return revocations.refuse(id, credential_digest, token_id) !== undefined;
      }),
    );
  }

  /** Registers @fastify/jwt, whose `verify` checks every signature. */
  async register(): Promise<void> {
    // Every verification brings its issuer's own key; one that was forgotten would meet a key that signed nothing.
    const publicKey = createPublicKey(generatePrivateKey('ec'));
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    await this.#verifier.register(fastifyJwt, { secret: { public: pem, private: '' } });
    await this.#verifier.ready();
  }

  /** Reads what a configuration says of callers and issuers. Throws LoadError for what can't be used. */
  build({ config, file, base_dir, variables }: LoadedConfig): IdentityGeneration {
    const { callers, policy, server, limits } = config;
    const auth = placeFiles(config.auth, base_dir);
    const plan = createLimitPlan(limits);
    const identity = createIdentity({
      auth,
      callers,
      file,
      roles: new Set(Object.keys(policy.roles)),
      load_variable: (name) => variables.load(name),
      public_url: this.#publicUrl,
      jwt_verify: adaptFastifyJwt((token, options) => this.#verifier.jwt.verify(token, options)),
      state: this.#state,
      is_throttled: (address) => this.#isSpent(plan.forAddress(address).limits),
    });
    this.#waiting.push({ identity, fetch: createProviderFetch(auth, base_dir) });
    return {
      authenticator: identity.authenticator,
      issuer: identity.issuer,
      metadata: {
        public_url: this.#publicUrl(),
        issues_tokens: callers.some(({ oauth_client }) => oauth_client !== undefined),
        issuers: auth.jwt.map((entry) => entry.issuer),
        client_certificates: server.tls?.client_ca_file !== undefined,
      },
    };
  }

  /** Puts what was built last in force, and ends what was built before it. */
  settle(): void {
    const next = this.#waiting.pop();
    if (!next) return;
    const ended = [...this.#waiting, this.#current];
    this.#waiting = [];
    this.#current = next;
    next.identity.activate();
    for (const built of ended) void close(built);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#waiting, this.#current].map(close));
    await this.#verifier.close();
  }

  #isSpent(limits: Parameters<State['addressLimiter']['peek']>[0]): boolean | Promise<boolean> {
    if (limits.length === 0) return false;
    const decision = this.#shared.addressLimiter.peek(limits);
    return decision instanceof Promise ? decision.then(isSpent) : isSpent(decision);
  }
}

// A store that is full says nothing of an address that it does not hold: a flood of others must not lock it out.
function isSpent(decision: LimitDecision): boolean {
  return !decision.allowed && decision.store_full !== true;
}

async function close(built: Built | undefined): Promise<void> {
  await built?.identity.close();
  await built?.fetch.close();
}

// Files are named from where the configuration stands, as everywhere in it.
function placeFiles(auth: AuthConfig, base_dir: string): AuthConfig {
  const { keys_file, issuer } = auth;
  return {
    ...auth,
    ...(keys_file !== undefined && { keys_file: resolve(base_dir, keys_file) }),
    issuer: { ...issuer, ...(issuer.key_file !== undefined && { key_file: resolve(base_dir, issuer.key_file) }) },
  };
}

function reportTo(sink: EventSink): IdentityState['reports'] {
  return {
    on_new_key: (key) => sink.emit({ event: 'key.rotated', outcome: 'success', key }),
    on_key_file_problem: (reason) => sink.emit({ event: 'key.rotated', outcome: 'failure', reason }),
    on_keys_changed: () => sink.emit({ event: 'key.rotated', outcome: 'success', reason: 'keys_file_changed' }),
    on_keys_problem: ({ findings }) =>
      sink.emit({
        event: 'config.rejected',
        outcome: 'failure',
        reason: findings[0]?.rule ?? 'keys-file-unusable',
        problems: findings.map(describeFinding),
      }),
  };
}
