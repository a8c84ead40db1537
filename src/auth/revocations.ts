import type { RevocationCheck } from './chain.js';
import type { AuthFailureReason } from './credential.js';

/** One thing that is taken back. */
export interface Revocation {
  /** `key`: a credential by the base64url SHA-256 of it. `caller`: all of a caller's. `token`: a JWT by its `jti`. */
  readonly kind: 'key' | 'caller' | 'token';
  readonly id: string;
}

/**
 * The list that replicas share, on Redis where there is one (limits/blocks.ts fits). It answers from memory and goes on
 * doing so while Redis is away; what this process puts in holds here at once. Its promises never reject.
 */
export interface SharedRevocations {
  isBlocked(id: string, now_ms: number): boolean;
  /** Bars `id` until then (epoch milliseconds, `Infinity`: until it is freed). */
  block(id: string, until_ms: number, reason?: string): Promise<void>;
  unblock(id: string): Promise<void>;
  onChange(listener: () => void): void;
}

const reasons = { key: 'key_revoked', caller: 'caller_revoked', token: 'token_revoked' } as const satisfies Record<
  Revocation['kind'],
  AuthFailureReason
>;

/**
 * Everything that is revoked: by this replica's keys file, and by the shared list, which other replicas' keys files
 * and operators fill. Outlives a reload.
 */
export class RevocationList implements RevocationCheck {
  readonly #shared: SharedRevocations | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #now: () => number;
  #filed: ReadonlySet<string> = new Set();

  constructor(shared?: SharedRevocations, now: () => number = Date.now) {
    this.#shared = shared;
    this.#now = now;
    shared?.onChange(() => this.#tell());
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

  /**
   * Exchanges all that the keys file had revoked for these, and tells the other replicas what came and went. What is
   * in the file holds here whatever the shared list says.
   */
  replaceFiled(revocations: Iterable<Revocation>): void {
    const before = this.#filed;
    this.#filed = new Set(Array.from(revocations, ({ kind, id }) => nameOf(kind, id)));
    for (const name of this.#filed) {
      if (!before.has(name)) void this.#shared?.block(name, Number.POSITIVE_INFINITY, 'keys_file');
    }
    for (const name of before) if (!this.#filed.has(name)) void this.#shared?.unblock(name);
    this.#tell();
  }

  /** Calls `listener` at every change, so that remembered verifications are forgotten; the result ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #holds(kind: Revocation['kind'], id: string): boolean {
    const name = nameOf(kind, id);
    return this.#filed.has(name) || this.#shared?.isBlocked(name, this.#now()) === true;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function nameOf(kind: Revocation['kind'], id: string): string {
  return `${kind} ${id}`;
}
