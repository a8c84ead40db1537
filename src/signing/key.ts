import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { isJsonObject, type JsonObject, LoadError } from '../core/index.js';
import { canonicalizeJson } from './canonical.js';

/** EdDSA with Ed25519 (RFC 8037) or ECDSA with P-256 (RFC 7518). */
export type SignatureAlgorithm = 'EdDSA' | 'ES256';

/** A key that signatures are checked with. */
export interface PublicKey {
  /** The key's thumbprint (RFC 7638), base64url: it names the key by content, so a `kid` cannot lie about it. */
  readonly kid: string;
  readonly alg: SignatureAlgorithm;
  readonly key: KeyObject;
  /** As it stands under `/.well-known/jwks.json`. */
  readonly jwk: JsonObject;
}

/** A key that signs; the private half never leaves it as text. */
export interface SigningKey {
  readonly publicKey: PublicKey;
  readonly privateKey: KeyObject;
}

/**
 * Reads a private key in PEM (PKCS #8 or SEC 1), Ed25519 or P-256. Throws LoadError that names the file, never what
 * stands in it.
 */
export function readSigningKey(pem: string | Buffer, file: string): SigningKey {
  const privateKey = parsePrivateKey(pem, file);
  const publicKey = toPublicKey(createPublicKey(privateKey).export({ format: 'jwk' }));
  if (!publicKey) throw unusableKey(file);
  return { publicKey, privateKey };
}

function parsePrivateKey(pem: string | Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The reason may quote the key.
    throw unusableKey(file);
  }
}

function unusableKey(file: string): LoadError {
  return LoadError.of({
    rule: 'signing-key-unusable',
    file,
    pointer: '',
    message: 'This is no private key that manuals can be signed with.',
    mend: 'Give an Ed25519 or P-256 private key in PEM without a passphrase: openssl genpkey -algorithm ed25519.',
  });
}

/** A JWK as a key to check with; undefined for a private, malformed or unsupported one. */
export function toPublicKey(jwk: unknown): PublicKey | undefined {
  if (!isJsonObject(jwk) || jwk.d !== undefined) return undefined;
  const described = describeKey(jwk);
  if (!described) return undefined;
  const { alg, members } = described;
  try {
    const key = createPublicKey({ key: { ...members }, format: 'jwk' });
    const kid = createHash('sha256').update(canonicalizeJson(members)).digest('base64url');
    return { kid, alg, key, jwk: { ...members, kid, alg, use: 'sig' } };
  } catch {
    // Coordinates that are no point of the curve.
    return undefined;
  }
}

// The required members alone, in the shape that RFC 7638 hashes.
function describeKey(jwk: JsonObject): { alg: SignatureAlgorithm; members: JsonWebKey & JsonObject } | undefined {
  const { kty, crv, x, y } = jwk;
  if (kty === 'OKP' && crv === 'Ed25519' && typeof x === 'string') return { alg: 'EdDSA', members: { crv, kty, x } };
  if (kty === 'EC' && crv === 'P-256' && typeof x === 'string' && typeof y === 'string') {
    return { alg: 'ES256', members: { crv, kty, x, y } };
  }
  return undefined;
}

/** The usable keys of a JWK set (RFC 7517) or of a single JWK; others are passed over. */
export function readPublicKeys(document: unknown): readonly PublicKey[] {
  if (!isJsonObject(document)) return [];
  const candidates: readonly unknown[] = Array.isArray(document.keys) ? document.keys : [document];
  return candidates.map(toPublicKey).filter((key) => key !== undefined);
}
