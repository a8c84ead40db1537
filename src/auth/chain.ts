import { PrincipalCache } from './cache.js';
import type { AuthFailureReason, CredentialVerdict, CredentialVerifier, PresentedCredential } from './credential.js';
import { digestCredential } from './digest.js';

type PrincipalVerdict = Extract<CredentialVerdict, { kind: 'principal' }>;
type RejectedVerdict = Extract<CredentialVerdict, { kind: 'rejected' }>;
type DecidedVerdict = PrincipalVerdict | RejectedVerdict;

/** The chain's last word. `fresh`: verified now, and not remembered from before; `auth.success` is of the fresh ones. */
export type AuthVerdict = (PrincipalVerdict & { readonly fresh: boolean }) | RejectedVerdict;

/** What has been taken back, asked of every credential that verified (revocations.ts). */
export interface RevocationCheck {
  /** Why this good credential is refused all the same; undefined when it is not. */
  refuse(
    /** Undefined for a credential that nobody knows any more. */
    caller: string | undefined,
    credentialDigest: string,
    tokenId: string | undefined,
  ): AuthFailureReason | undefined;
}

export interface AuthenticatorOptions {
  /** Asked in order, each credential by the first that knows it: API key, JWT, introspection, certificate. */
  readonly verifiers: readonly CredentialVerifier[];
  readonly revocations?: RevocationCheck;
  /** Verified credentials remembered at most; 50,000 when absent. */
  readonly cache_size?: number;
  /**
   * Whether an address has spent its budget of failures. Nobody else is then asked about a credential from it; what this
   * process can tell by itself (a remembered credential, a key, a signature, a certificate) still passes.
   */
  readonly is_throttled?: (address: string) => boolean | Promise<boolean>;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

export interface Authenticator {
  /**
   * Who presents this credential. Synchronous for a remembered credential and for every kind that asks nobody else.
   * Never throws for a bad credential.
   */
  authenticate(presented: PresentedCredential): AuthVerdict | Promise<AuthVerdict>;
  /** Forgets every verified credential: after a revocation, a change of keys or a reload. */
  invalidate(): void;
  close(): Promise<void>;
}

const missing: RejectedVerdict = { kind: 'rejected', reason: 'missing_credential' };
const malformed: RejectedVerdict = { kind: 'rejected', reason: 'malformed_credential' };
const unknown: RejectedVerdict = { kind: 'rejected', reason: 'unknown_key' };
const throttled: RejectedVerdict = { kind: 'rejected', reason: 'too_many_failures' };
const unbound: RejectedVerdict = { kind: 'rejected', reason: 'token_binding' };

/** Puts the verifiers in a row behind one bounded memory of verified credentials; refused ones are never remembered. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  return new CredentialChain(options);
}

class CredentialChain implements Authenticator {
  readonly #verifiers: readonly CredentialVerifier[];
  readonly #revocations: RevocationCheck | undefined;
  readonly #isThrottled: (address: string) => boolean | Promise<boolean>;
  readonly #now: () => number;
  readonly #cache: PrincipalCache<AuthVerdict & { kind: 'principal' }>;
  // A verification that began before an invalidation must not be remembered after it.
  #generation = 0;

  constructor(options: AuthenticatorOptions) {
    this.#verifiers = options.verifiers;
    this.#revocations = options.revocations;
    this.#isThrottled = options.is_throttled ?? (() => false);
    this.#now = options.now ?? Date.now;
    this.#cache = new PrincipalCache(options.cache_size ?? 50_000);
  }

  authenticate(presented: PresentedCredential): AuthVerdict | Promise<AuthVerdict> {
    if (presented.transport === 'malformed') return malformed;
    const digest = nameCredential(presented);
    if (digest === undefined) return missing;
    const known = this.#cache.get(digest, this.#now());
    // Only an API key may come by either header; another token has to come as the bearer token that was verified.
    if (known && (presented.transport !== 'x_api_key' || known.principal.source === 'api_key')) {
      return isBound(known, presented) ? known : unbound;
    }
    return this.#verify(presented, digest);
  }

  invalidate(): void {
    this.#generation++;
    this.#cache.clear();
  }

  async close(): Promise<void> {
    this.#cache.clear();
    await Promise.all(this.#verifiers.map((verifier) => verifier.close?.()));
  }

  #verify(presented: PresentedCredential, digest: string): AuthVerdict | Promise<AuthVerdict> {
    const generation = this.#generation;
    const verdict = this.#ask(presented, 0);
    if (verdict instanceof Promise) return verdict.then((late) => this.#settle(late, presented, digest, generation));
    return this.#settle(verdict, presented, digest, generation);
  }

  #ask(presented: PresentedCredential, from: number): DecidedVerdict | Promise<DecidedVerdict> {
    for (const [offset, verifier] of this.#verifiers.slice(from).entries()) {
      const verdict = verifier.costly ? this.#askUnlessThrottled(verifier, presented) : verifier.verify(presented);
      if (verdict instanceof Promise) {
        return verdict.then((late) => (late.kind === 'not_mine' ? this.#ask(presented, from + offset + 1) : late));
      }
      if (verdict.kind !== 'not_mine') return verdict;
    }
    return presented.token === undefined ? missing : unknown;
  }

  #askUnlessThrottled(
    verifier: CredentialVerifier,
    presented: PresentedCredential,
  ): CredentialVerdict | Promise<CredentialVerdict> {
    const spent = this.#isThrottled(presented.address);
    if (spent instanceof Promise) return spent.then((late) => (late ? throttled : verifier.verify(presented)));
    return spent ? throttled : verifier.verify(presented);
  }

  #settle(decided: DecidedVerdict, presented: PresentedCredential, digest: string, generation: number): AuthVerdict {
    if (decided.kind === 'rejected') return this.#explain(decided, digest);
    const verdict = nameToken(decided);
    const { principal } = verdict;
    const revoked = this.#revocations?.refuse(principal.id, principal.credential_digest, principal.token_id);
    if (revoked) return { kind: 'rejected', reason: revoked, claimed: principal.id };
    if (!isBound(verdict, presented)) return { ...unbound, claimed: principal.id };
    if (generation === this.#generation) {
      this.#cache.set(digest, { ...verdict, fresh: false }, verdict.expires_at, this.#now());
    }
    return { ...verdict, fresh: true };
  }

  // A revoked key is taken out of the caller's keys, so nobody knows it; the log should still say what it was.
  #explain(verdict: RejectedVerdict, digest: string): RejectedVerdict {
    const revoked = verdict.reason === 'unknown_key' && this.#revocations?.refuse(undefined, digest, undefined);
    return revoked ? { kind: 'rejected', reason: revoked } : verdict;
  }
}

/** What a credential is remembered by; no base64url digest of a token can be a certificate's name. */
function nameCredential({ token, certificate }: PresentedCredential): string | undefined {
  if (token !== undefined) return digestCredential(token);
  return certificate && `certificate ${certificate.thumbprint}`;
}

function nameToken(verdict: PrincipalVerdict): PrincipalVerdict {
  const { token_id, principal } = verdict;
  return token_id === undefined ? verdict : { ...verdict, principal: Object.freeze({ ...principal, token_id }) };
}

function isBound(verdict: PrincipalVerdict, presented: PresentedCredential): boolean {
  return verdict.bound_to === undefined || verdict.bound_to === presented.certificate?.thumbprint;
}
