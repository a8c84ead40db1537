import type { RevocationCheck } from './chain.js';
import type { AuthFailureReason } from './credential.js';

/** One thing that is taken back. */
export interface Revocation {
  /** `key`: a credential by the base64url SHA-256 of it. `caller`: all of a caller's. `token`: a JWT by its `jti`. */
  readonly kind: 'key' | 'caller' | 'token';
  readonly id: string;
  /** Epoch milliseconds after which it may be forgotten, because the credential has ended by itself; absent: never. */
  readonly until?: number;
}

/**
 * Carries revocations between replicas, over Redis for one. While the feed is away, what it said stays in force and
 * the keys file goes on being watched; docs/failure-modes.md has the sentence.
 */
export interface RevocationFeed {
  /** Calls `listener` for all that is revoked already and for all that follows; the result ends it. */
  subscribe(listener: (revocation: Revocation) => void): Promise<() => Promise<void>>;
  publish(revocation: Revocation): Promise<void>;
}

const reasons = { key: 'key_revoked', caller: 'caller_revoked', token: 'token_revoked' } as const satisfies Record<
  Revocation['kind'],
  AuthFailureReason
>;
/** Entries of the feed beyond which those that have ended are looked for at each addition. */
const pruneAbove = 1000;

/** Everything that is revoked, by the keys file and by a feed. Outlives a reload. */
export class RevocationList implements RevocationCheck {
  readonly #fed = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  readonly #now: () => number;
  #filed: ReadonlySet<string> = new Set();

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  refuse(
    caller: string | undefined,
    credentialDigest: string,
    tokenId: string | undefined,
  ): AuthFailureReason | undefined {
    if (caller !== undefined && this.#holds('caller', caller)) return reasons.caller;
    if (this.#holds('key', credentialDigest)) return reasons.key;
    if (tokenId !== undefined && this.#holds('token', tokenId)) return reasons.token;
    return undefined;
  }

  /** Takes one revocation of the feed. */
  add({ kind, id, until }: Revocation): void {
    if (this.#fed.size >= pruneAbove) this.#prune();
    this.#fed.set(nameOf(kind, id), until ?? Number.POSITIVE_INFINITY);
    this.#tell();
  }

  /** Exchanges all that the keys file had revoked for these. */
  replaceFiled(revocations: Iterable<Revocation>): void {
    this.#filed = new Set(Array.from(revocations, ({ kind, id }) => nameOf(kind, id)));
    this.#tell();
  }

  /** Calls `listener` at every change, so that remembered verifications are forgotten; the result ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #holds(kind: Revocation['kind'], id: string): boolean {
    const name = nameOf(kind, id);
    return this.#filed.has(name) || this.#fed.has(name);
  }

  #prune(): void {
    const now = this.#now();
    for (const [name, until] of this.#fed) if (until <= now) this.#fed.delete(name);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function nameOf(kind: Revocation['kind'], id: string): string {
  return `${kind} ${id}`;
}
