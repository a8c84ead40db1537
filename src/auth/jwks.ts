import { createLocalJWKSet, errors, exportSPKI, type JSONWebKeySet } from 'jose';
import { z } from 'zod';
import type { KeySetConfig } from './config.js';
import { askProvider, type FetchJson } from './fetch-json.js';
import type { KeyAnswer, KeySource } from './key-source.js';
import type { SigningAlgorithm } from './token-form.js';

const maxKeys = 100;

// RFC 7517 section 5: members that are not understood don't spoil the set. A key with private or secret parts is left
// out: whoever publishes one has lost it.
const publicKeySchema = z.object({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().exactOptional(),
  alg: z.string().exactOptional(),
  use: z.string().exactOptional(),
  key_ops: z.array(z.string()).exactOptional(),
  crv: z.string().exactOptional(),
  x: z.string().exactOptional(),
  y: z.string().exactOptional(),
  n: z.string().exactOptional(),
  e: z.string().exactOptional(),
  d: z.never().exactOptional(),
  k: z.never().exactOptional(),
});
const keySetAnswer = z.object({ keys: z.array(z.unknown()).max(maxKeys) });

type Resolver = ReturnType<typeof createLocalJWKSet>;
const unavailable: KeyAnswer = { refused: 'issuer_unavailable' };
const unknownKey: KeyAnswer = { refused: 'token_key_unknown' };

interface LoadedSet {
  readonly resolve: Resolver;
  readonly fetched_at: number;
  /** PEM by algorithm and key id; only of keys that the set holds, so it is as bounded as the set. */
  readonly found: Map<string, string>;
}

/**
 * An issuer's JWK Set by URL (RFC 7517). Selecting and importing keys is jose's; when to ask the provider is decided
 * here: once at a time, never more often than `min_refresh_s` whatever tokens arrive, in the background while the set
 * is older than `max_age_s`, and closed once it is older than `max_age_s` and `max_stale_s` together.
 */
export class RemoteKeySet implements KeySource {
  readonly #uri: string;
  readonly #config: KeySetConfig;
  readonly #fetchJson: FetchJson;
  readonly #now: () => number;
  #set: LoadedSet | undefined;
  #attemptedAt = Number.NEGATIVE_INFINITY;
  #failing = false;
  #pending: Promise<void> | undefined;

  constructor(uri: string, config: KeySetConfig, fetchJson: FetchJson, now: () => number = Date.now) {
    this.#uri = uri;
    this.#config = config;
    this.#fetchJson = fetchJson;
    this.#now = now;
  }

  find(keyId: string | undefined, algorithm: SigningAlgorithm): KeyAnswer | Promise<KeyAnswer> {
    const set = this.#usable();
    if (!set) return this.#findAfterRefresh(keyId, algorithm);
    if (this.#age(set) > this.#config.max_age_s * 1000) void this.#refresh();
    const key = set.found.get(`${algorithm} ${keyId ?? ''}`);
    return key === undefined ? this.#search(set, keyId, algorithm) : this.#answer(set, key);
  }

  #usable(): LoadedSet | undefined {
    const { max_age_s, max_stale_s } = this.#config;
    return this.#set && this.#age(this.#set) <= (max_age_s + max_stale_s) * 1000 ? this.#set : undefined;
  }

  #age(set: LoadedSet): number {
    return this.#now() - set.fetched_at;
  }

  async #search(set: LoadedSet, keyId: string | undefined, algorithm: SigningAlgorithm): Promise<KeyAnswer> {
    const key = await select(set, keyId, algorithm);
    // An unknown key may be a new one; a key that is there and does not fit stays so.
    return key === undefined ? this.#findAfterRefresh(keyId, algorithm) : this.#answer(set, key);
  }

  // A set that should have been refreshed by now is looked at again as soon as the provider may be asked again.
  #answer(set: LoadedSet, key: string | KeyAnswer): KeyAnswer {
    if (typeof key !== 'string') return key;
    const { max_age_s, max_stale_s, min_refresh_s } = this.#config;
    const fresh = set.fetched_at + max_age_s * 1000;
    const end = fresh + max_stale_s * 1000;
    return { key, remember_until: Math.min(Math.max(fresh, this.#now() + min_refresh_s * 1000), end) };
  }

  async #findAfterRefresh(keyId: string | undefined, algorithm: SigningAlgorithm): Promise<KeyAnswer> {
    await this.#refresh();
    const set = this.#usable();
    const key = set && (await select(set, keyId, algorithm));
    if (set && key !== undefined) return this.#answer(set, key);
    return this.#failing || !set ? unavailable : unknownKey;
  }

  // Never rejects. Resolves at once while the last attempt is too recent.
  #refresh(): Promise<void> {
    if (this.#pending) return this.#pending;
    const now = this.#now();
    if (now - this.#attemptedAt < this.#config.min_refresh_s * 1000) return Promise.resolve();
    this.#attemptedAt = now;
    this.#pending = this.#load().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #load(): Promise<void> {
    const { timeout_ms, max_bytes } = this.#config;
    const headers = { accept: 'application/jwk-set+json, application/json' };
    const answer = await askProvider(this.#fetchJson, {
      url: this.#uri,
      method: 'GET',
      headers,
      timeout_ms,
      max_bytes,
    });
    const keys = parseKeySet(answer);
    this.#failing = keys === undefined;
    if (keys) this.#set = { resolve: createLocalJWKSet(keys), fetched_at: this.#now(), found: new Map() };
  }
}

/**
 * The key sets of all issuers, by URL. It outlives a reload of the configuration, so that a reload while a provider is
 * away does not throw the keys away.
 */
export class KeySets {
  readonly #fetchJson: FetchJson;
  readonly #now: () => number;
  readonly #sets = new Map<string, RemoteKeySet>();

  constructor(fetchJson: FetchJson, now: () => number = Date.now) {
    this.#fetchJson = fetchJson;
    this.#now = now;
  }

  /** The key set at `uri`, with what it has learnt; a changed `config` begins anew. */
  get(uri: string, config: KeySetConfig): KeySource {
    const name = JSON.stringify([uri, config]);
    const set = this.#sets.get(name) ?? new RemoteKeySet(uri, config, this.#fetchJson, this.#now);
    this.#sets.set(name, set);
    return set;
  }
}

function parseKeySet(answer: unknown): JSONWebKeySet | undefined {
  const parsed = keySetAnswer.safeParse(answer);
  if (!parsed.success) return undefined;
  const keys = parsed.data.keys.flatMap((key) => {
    const known = publicKeySchema.safeParse(key);
    return known.success ? [known.data] : [];
  });
  return { keys };
}

// The key's PEM; undefined: the set has no such key. A key that can't be imported, or one of several that a token without
// `kid` could mean, is refused, and no refresh would help.
async function select(
  set: LoadedSet,
  keyId: string | undefined,
  algorithm: SigningAlgorithm,
): Promise<string | KeyAnswer | undefined> {
  try {
    const key = await set.resolve({ alg: algorithm, ...(keyId === undefined ? {} : { kid: keyId }) });
    const pem = await exportSPKI(key);
    set.found.set(`${algorithm} ${keyId ?? ''}`, pem);
    return pem;
  } catch (error) {
    return error instanceof errors.JWKSNoMatchingKey ? undefined : unknownKey;
  }
}
