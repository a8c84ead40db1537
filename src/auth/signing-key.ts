import { createPrivateKey, createPublicKey, hash, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { generatePrivateKey } from './key-pair.js';

/** What the built-in issuer signs with. */
export type IssuerAlgorithm = 'ES256' | 'EdDSA';

/** One signing key of the built-in issuer. */
export interface SigningKey {
  /** The key's RFC 7638 thumbprint. */
  readonly kid: string;
  readonly algorithm: IssuerAlgorithm;
  readonly private_key: KeyObject;
  readonly public_pem: string;
  /** Epoch milliseconds from which it signs; it is published before. */
  readonly use_from: number;
}

/** A private key as the key file holds it: a JWK (RFC 7517) with `use_from` in seconds beside. */
export const storedKeySchema = z.strictObject({
  kty: z.enum(['EC', 'OKP']),
  crv: z.enum(['P-256', 'Ed25519']),
  x: z.string(),
  y: z.string().exactOptional(),
  d: z.string(),
  kid: z.string().min(1),
  use_from: z.int(),
});
export type StoredKey = z.infer<typeof storedKeySchema>;

/** Makes a key that signs from `useFrom` (epoch milliseconds) on. */
export function generateSigningKey(algorithm: IssuerAlgorithm, useFrom: number): SigningKey {
  return describeKey(generatePrivateKey(algorithm === 'ES256' ? 'ec' : 'ed25519'), algorithm, useFrom);
}

/** Reads a key of the key file. Throws when its numbers are no key. */
export function importSigningKey(stored: StoredKey): SigningKey {
  const { kid, use_from, ...jwk } = stored;
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
  const key = describeKey(privateKey, stored.crv === 'P-256' ? 'ES256' : 'EdDSA', use_from * 1000);
  if (key.kid !== kid) throw new TypeError('The kid is not the thumbprint of its key.');
  return key;
}

/** The form in which the key file keeps a key. */
export function exportSigningKey(key: SigningKey): StoredKey {
  const jwk = key.private_key.export({ format: 'jwk' });
  return storedKeySchema.parse({ ...jwk, kid: key.kid, use_from: Math.floor(key.use_from / 1000) });
}

/** The public JWK that `/.well-known/jwks.json` shows. */
export function publishKey(key: SigningKey): Readonly<Record<string, string>> {
  const { kty, crv, x, y } = key.private_key.export({ format: 'jwk' });
  const coordinates = { kty, crv, x, y };
  const known = Object.entries(coordinates).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
  return { ...Object.fromEntries(known), kid: key.kid, alg: key.algorithm, use: 'sig' };
}

function describeKey(privateKey: KeyObject, algorithm: IssuerAlgorithm, useFrom: number): SigningKey {
  const publicKey = createPublicKey(privateKey);
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  // RFC 7638 section 3: the required members in lexicographic order.
  const kid = hash('sha256', JSON.stringify({ crv, kty, x, ...(y === undefined ? {} : { y }) }), 'base64url');
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return { kid, algorithm, private_key: privateKey, public_pem: pem, use_from: useFrom };
}
