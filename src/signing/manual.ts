import { isJsonObject, type JsonObject } from '../core/index.js';
import { canonicalizeJson } from './canonical.js';
import { signDetached, type VerificationFailure, verifyDetached } from './jws.js';
import type { PublicKey, SigningKey } from './key.js';

/** The response header that carries a manual's signature; clients that do not know it ignore it. */
export const manualSignatureHeader = 'utcp-manual-signature';

const manualType = 'utcp-manual';

/**
 * Signs a manual as it is served: a detached JWS over its canonical form (JCS, RFC 8785), for `manualSignatureHeader`
 * or a `.sig` file. White space and the order of members do not matter to it. Takes the served bytes or the object;
 * costs about a millisecond for 40 KB, so sign once a view. Throws Error when the bytes are not a JSON object.
 */
export function signManual(manual: Buffer | JsonObject, key: SigningKey): string {
  const parsed: unknown = Buffer.isBuffer(manual) ? JSON.parse(manual.toString('utf8')) : manual;
  if (!isJsonObject(parsed)) throw new TypeError('A manual is a JSON object.');
  return signCanonicalManual(canonicalizeJson(parsed), key);
}

/** `signManual` for a manual that is in canonical form already. */
export function signCanonicalManual(manual: Buffer, key: SigningKey): string {
  return signDetached(manual, manualType, key);
}

/** Checks a manual's signature against the keys that are trusted; gives the key that made it, or why it does not hold. */
export function verifyManual(
  manual: JsonObject,
  signature: string,
  trusted: readonly PublicKey[],
): PublicKey | VerificationFailure {
  return verifyDetached(signature.trim(), canonicalizeJson(manual), manualType, trusted);
}
