import type { CallerDirectory } from './caller.js';
import type { CredentialVerdict, CredentialVerifier, PresentedCredential } from './credential.js';
import { digestSecret } from './digest.js';

const notMine: CredentialVerdict = { kind: 'not_mine' };

/**
 * API keys, by `Authorization: Bearer` or `X-API-Key`. Only digests are stored and compared. Each key of a caller is
 * judged by its own window, so while `current` and `next` overlap both are good and a rotation has no gap.
 */
export class ApiKeyVerifier implements CredentialVerifier {
  readonly kind = 'api_key';
  readonly #callers: CallerDirectory;
  readonly #now: () => number;

  constructor(callers: CallerDirectory, now: () => number = Date.now) {
    this.#callers = callers;
    this.#now = now;
  }

  verify(presented: PresentedCredential): CredentialVerdict {
    if (presented.token === undefined) return notMine;
    const key = this.#callers.byKeyDigest(digestSecret(presented.token));
    if (!key) return notMine;
    const now = this.#now();
    if (key.not_before !== undefined && now < key.not_before) {
      return { kind: 'rejected', reason: 'key_not_yet_valid', claimed: key.principal.id };
    }
    if (key.expires_at !== undefined && now >= key.expires_at) {
      return { kind: 'rejected', reason: 'key_expired', claimed: key.principal.id };
    }
    return { kind: 'principal', principal: key.principal, expires_at: key.expires_at };
  }
}
