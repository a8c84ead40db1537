import { hash, timingSafeEqual } from 'node:crypto';

/** SHA-256 of a credential, base64url without padding: how caches, revocations and events name it. */
export function digestCredential(credential: string): string {
  return hash('sha256', credential, 'base64url');
}

/** SHA-256 of a secret as bytes, for `matchesDigest`. */
export function digestSecret(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** Whether two SHA-256 digests are the same, in a time that does not depend on where they differ. */
export function matchesDigest(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
