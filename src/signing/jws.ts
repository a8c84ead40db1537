import { type KeyObject, sign, verify } from 'node:crypto';
import { isJsonObject, type JsonObject } from '../core/index.js';
import type { PublicKey, SignatureAlgorithm, SigningKey } from './key.js';

/** Why a detached signature does not hold. */
export type VerificationFailure = 'malformed' | 'unknown_key' | 'mismatch';

/**
 * A detached JWS in compact form (RFC 7515 appendix F: the payload's part is empty). `typ` says what is signed, so that
 * a signature over one kind of document is none over another.
 */
export function signDetached(payload: Buffer, typ: string, { publicKey, privateKey }: SigningKey): string {
  const header = encode(JSON.stringify({ alg: publicKey.alg, kid: publicKey.kid, typ }));
  const input = Buffer.from(`${header}.${encode(payload)}`);
  const signature = sign(digestOf(publicKey.alg), input, withEncoding(privateKey));
  return `${header}..${encode(signature)}`;
}

/** Checks a detached JWS against the keys that are trusted; gives the key that made it, or why it does not hold. */
export function verifyDetached(
  jws: string,
  payload: Buffer,
  typ: string,
  trusted: readonly PublicKey[],
): PublicKey | VerificationFailure {
  const [, header, signature] = /^([\w-]+)\.\.([\w-]+)$/.exec(jws) ?? [];
  const fields = header === undefined ? undefined : parseHeader(header);
  if (header === undefined || signature === undefined || !fields) return 'malformed';
  // RFC 7515 section 4.1.11: an extension that is marked critical and not understood makes the JWS invalid.
  if (fields.typ !== typ || fields.crit !== undefined) return 'malformed';
  const key = trusted.find(({ kid }) => kid === fields.kid);
  if (!key) return 'unknown_key';
  // The algorithm is the key's own; the header can only agree with it.
  if (fields.alg !== key.alg) return 'mismatch';
  const input = Buffer.from(`${header}.${encode(payload)}`);
  const holds = verify(digestOf(key.alg), input, withEncoding(key.key), Buffer.from(signature, 'base64url'));
  return holds ? key : 'mismatch';
}

function encode(content: string | Buffer): string {
  return Buffer.from(content).toString('base64url');
}

// Ed25519 hashes by itself.
function digestOf(algorithm: SignatureAlgorithm): string | null {
  return algorithm === 'ES256' ? 'sha256' : null;
}

// RFC 7518 section 3.4: an ECDSA signature is r and s side by side, not DER.
function withEncoding(key: KeyObject): { key: KeyObject; dsaEncoding: 'ieee-p1363' } {
  return { key, dsaEncoding: 'ieee-p1363' };
}

function parseHeader(text: string): JsonObject | undefined {
  try {
    const header: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return isJsonObject(header) ? header : undefined;
  } catch {
    // Not JSON, so not a JWS header.
    return undefined;
  }
}
