import type { AuthFailureReason } from './credential.js';
import type { SigningAlgorithm } from './token-form.js';

/** A key that fits, or why there is none. */
export type KeyAnswer =
  | {
      /** PEM of a public key, or the bytes of a shared secret. */
      readonly key: string | Buffer;
      /**
       * Epoch milliseconds until which a verification by it may be remembered: a key that its issuer withdraws must not
       * live on in what was verified by it. Absent: as long as the token is good.
       */
      readonly remember_until?: number;
    }
  | { readonly refused: AuthFailureReason };

/** Where an issuer's verification keys come from. */
export interface KeySource {
  /** The key for a token's `kid` (undefined: the token names none) and algorithm. Never throws. */
  find(keyId: string | undefined, algorithm: SigningAlgorithm): KeyAnswer | Promise<KeyAnswer>;
}

/** One secret shared with the issuer, whatever the `kid`; good for HS256 alone. */
export class SharedSecretSource implements KeySource {
  readonly #answer: KeyAnswer;

  constructor(secret: string) {
    this.#answer = { key: Buffer.from(secret, 'utf8') };
  }

  find(_keyId: string | undefined, algorithm: SigningAlgorithm): KeyAnswer {
    return algorithm === 'HS256' ? this.#answer : { refused: 'token_algorithm' };
  }
}
