import type { JsonObject } from '../core/index.js';
import type { AuthFailureReason } from './credential.js';
import { parseStrictObject } from './strict-json.js';

/** The signature algorithms that Gatehouse verifies (RFC 7518 section 3.1, RFC 8037); never `none`. */
export const signingAlgorithms = ['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA'] as const;
export type SigningAlgorithm = (typeof signingAlgorithms)[number];

/** Longest JWT that is looked at, in characters. */
const maxTokenLength = 8_192;

/** A JWT whose form is sound. Nothing in it is verified yet. */
export interface TokenForm {
  readonly algorithm: SigningAlgorithm;
  readonly key_id: string | undefined;
  /** RFC 9068 `at+jwt`; false for `JWT` and for no `typ`. */
  readonly is_access_token: boolean;
  readonly claims: JsonObject;
}

// A header that carries or points at its own key, or asks for processing that we don't do, is refused whole: jwk, jku,
// x5c, x5u (RFC 7515 section 4.1, the key injection family CVE-2018-0114), crit, b64 (RFC 7797), zip and enc (JWE).
const refusedMembers = ['jwk', 'jku', 'x5c', 'x5u', 'crit', 'b64', 'zip', 'enc'];
const keyId = /^[A-Za-z0-9._~:/+=@#-]{1,256}$/;
/** Octets of a signature; an RSA one is as long as its modulus, of 2048 to 8192 bits. */
const signatureLengths: Record<SigningAlgorithm, readonly [least: number, most: number]> = {
  HS256: [32, 32],
  RS256: [256, 1024],
  PS256: [256, 1024],
  ES256: [64, 64],
  EdDSA: [64, 64],
};

/** Whether this is meant to be a JWT: three parts, or a first part that begins as an encoded `{"` does. */
export function looksLikeToken(token: string): boolean {
  const first = token.indexOf('.');
  if (first === -1) return token.startsWith('eyJ');
  const second = token.indexOf('.', first + 1);
  return (second !== -1 && token.indexOf('.', second + 1) === -1) || token.startsWith('eyJ');
}

/**
 * Takes a compact JWS apart (RFC 7515 section 7.1) and refuses, by reason, every form of it that two parsers could read
 * differently or that steers its own verification. Says nothing of the signature or the claims. Never throws.
 */
export function parseToken(token: string): TokenForm | AuthFailureReason {
  if (token.length > maxTokenLength) return 'token_too_large';
  const [head, body, seal, ...more] = token.split('.');
  if (head === undefined || body === undefined || seal === undefined || more.length > 0) return 'token_malformed';
  const header = decodeObject(head);
  const claims = decodeObject(body);
  if (!header || !claims) return 'token_malformed';
  const { alg, typ, kid } = header;
  const algorithm = signingAlgorithms.find((known) => known === alg);
  if (!algorithm) return 'token_algorithm';
  if (refusedMembers.some((member) => Object.hasOwn(header, member))) return 'token_header';
  // `..` has no business in a key id; one that is used as a path or in a query gets nowhere from here (CVE-2018-0114).
  if (kid !== undefined && (typeof kid !== 'string' || !keyId.test(kid) || kid.includes('..'))) return 'token_header';
  const type = readType(typ);
  if (type === undefined) return 'token_type';
  const signature = decodeSegment(seal);
  if (!signature) return seal === '' || !/^[\w-]*$/.test(seal) ? 'token_malformed' : 'token_signature';
  const [least, most] = signatureLengths[algorithm];
  // A DER-encoded or cut ES256 signature ends here (RFC 7518 section 3.4: exactly 64 octets).
  if (signature.length < least || signature.length > most) return 'token_signature';
  return { algorithm, key_id: kid, is_access_token: type === 'at+jwt', claims };
}

// RFC 7515 section 4.1.9: media type names compare without case, `application/` may be left out.
function readType(typ: unknown): 'jwt' | 'at+jwt' | undefined {
  if (typ === undefined) return 'jwt';
  if (typeof typ !== 'string') return undefined;
  const name = typ.toLowerCase().replace(/^application\//, '');
  return name === 'jwt' || name === 'at+jwt' ? name : undefined;
}

function decodeObject(segment: string): JsonObject | undefined {
  const bytes = decodeSegment(segment);
  return bytes && parseStrictObject(bytes);
}

// RFC 4648 section 3.5: one text for one octet string, so a token has one spelling.
function decodeSegment(segment: string): Buffer | undefined {
  const bytes = Buffer.from(segment, 'base64url');
  return segment !== '' && bytes.toString('base64url') === segment ? bytes : undefined;
}
