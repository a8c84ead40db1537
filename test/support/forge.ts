import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { generatePrivateKey } from '../../src/auth/key-pair.js';

/** Base64url of a JSON value, or of a text that is to stand as it is. */
export function encodePart(value: unknown): string {
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
}

/** Signs `input` as JWS does (RFC 7518 section 3), with no check at all of whether key and algorithm belong together. */
export function signInput(algorithm: string, input: string, key: KeyObject | Buffer | string): Buffer {
  const data = Buffer.from(input);
  switch (algorithm) {
    case 'HS256':
      return createHmac('sha256', key).update(data).digest();
    case 'RS256':
      return sign('sha256', data, privateKey(key));
    case 'PS256':
      return sign('sha256', data, {
        key: privateKey(key),
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      });
    case 'ES256':
      return sign('sha256', data, { key: privateKey(key), dsaEncoding: 'ieee-p1363' });
    case 'EdDSA':
      return sign(undefined, data, privateKey(key));
    default:
      return Buffer.alloc(0);
  }
}

/** Makes a compact JWS of any header and claims; texts are taken as they are. */
export function forgeToken(
  header: unknown,
  claims: unknown,
  key: KeyObject | Buffer | string,
  algorithm = typeof header === 'object' && header !== null && 'alg' in header ? String(header.alg) : 'none',
): string {
  const input = `${encodePart(header)}.${encodePart(claims)}`;
  return `${input}.${signInput(algorithm, input, key).toString('base64url')}`;
}

export interface TestKey {
  readonly kid: string;
  readonly algorithm: 'RS256' | 'PS256' | 'ES256' | 'EdDSA';
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

/** A key pair for one algorithm, with the JWK that a provider would publish. */
export function makeKey(algorithm: TestKey['algorithm'], kid: string): TestKey {
  const pair = generatePair(algorithm);
  const jwk = { ...pair.publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: algorithm };
  return { kid, algorithm, privateKey: pair.privateKey, publicKey: pair.publicKey, jwk };
}

// Not as they were made: such a key may hang a process that collects garbage while it is written as a JWK (Node 20).
function generatePair(algorithm: string): { privateKey: KeyObject; publicKey: KeyObject } {
  const privateKey =
    algorithm === 'ES256' || algorithm === 'EdDSA'
      ? generatePrivateKey(algorithm === 'ES256' ? 'ec' : 'ed25519')
      : createPrivateKey(generateRsa());
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

function generateRsa(): string {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return privateKey;
}

function privateKey(key: KeyObject | Buffer | string): KeyObject {
  if (typeof key === 'string' || Buffer.isBuffer(key)) throw new TypeError('This algorithm signs with a private key.');
  return key;
}
