import { generateKeyPairSync } from 'node:crypto';
import { compactVerify, importJWK } from 'jose';
import { describe, expect, it } from 'vitest';
import {
  canonicalizeJson,
  digestJson,
  readPublicKeys,
  readSigningKey,
  signManual,
  toPublicKey,
  verifyManual,
} from '../../src/signing/index.js';

const pem = { format: 'pem', type: 'pkcs8' } as const;
const ed25519 = readSigningKey(generateKeyPairSync('ed25519').privateKey.export(pem), 'ed.pem');
const p256 = readSigningKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pem), 'ec.pem');
const manual = { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [{ name: 'größe', price: 1e21, n: -0 }] };

/** Puts the payload back in, as RFC 7515 appendix F has the recipient do. */
function attach(signature: string): string {
  return signature.replace('..', `.${canonicalizeJson(manual).toString('base64url')}.`);
}

describe.each([
  ['EdDSA', ed25519],
  ['ES256', p256],
])('a manual signed with %s', (alg, key) => {
  const signature = signManual(manual, key);

  it('verifies by the key that made it', () => {
    expect(verifyManual(manual, signature, [key.publicKey])).toBe(key.publicKey);
  });

  it('verifies whatever the white space and the order of members (RFC 8785)', () => {
    const { tools, ...rest } = manual;
    const bytes = Buffer.from(JSON.stringify({ tools, ...rest }, null, 3));
    const again = JSON.parse(bytes.toString());
    expect(verifyManual(again, signature, [key.publicKey])).toBe(key.publicKey);
    expect(verifyManual(manual, signManual(bytes, key), [key.publicKey])).toBe(key.publicKey);
  });

  it("is a JWS to another's eyes: jose verifies it with the published key", async () => {
    const { protectedHeader } = await compactVerify(attach(signature), await importJWK({ ...key.publicKey.jwk }, alg));
    expect(protectedHeader).toEqual({ alg, kid: key.publicKey.kid, typ: 'utcp-manual' });
  });

  it('does not verify once any value has changed', () => {
    expect(verifyManual({ ...manual, manual_version: '1.0.1' }, signature, [key.publicKey])).toBe('mismatch');
  });

  it('does not verify by a key that is not trusted', () => {
    const other = key === ed25519 ? p256 : ed25519;
    expect(verifyManual(manual, signature, [other.publicKey])).toBe('unknown_key');
    expect(verifyManual(manual, signature, [])).toBe('unknown_key');
  });

  it('does not verify under a header that was swapped', () => {
    const forge = (header: object) =>
      `${Buffer.from(JSON.stringify(header)).toString('base64url')}..${signature.split('..')[1]}`;
    const header = { alg, kid: key.publicKey.kid, typ: 'utcp-manual' };
    expect(verifyManual(manual, forge({ ...header, alg: 'none' }), [key.publicKey])).toBe('mismatch');
    expect(verifyManual(manual, forge({ ...header, alg: 'HS256' }), [key.publicKey])).toBe('mismatch');
    expect(verifyManual(manual, forge({ ...header, typ: 'JWT' }), [key.publicKey])).toBe('malformed');
    expect(verifyManual(manual, forge({ ...header, crit: ['b64'] }), [key.publicKey])).toBe('malformed');
    expect(verifyManual(manual, forge({ ...header, extra: 1 }), [key.publicKey])).toBe('mismatch');
  });
});

describe('signatures', () => {
  it.each(['', 'x', '..', 'a..b', 'a.b.c', `${Buffer.from('[]').toString('base64url')}..x`, 'é..x'])(
    '%j is malformed, not an exception',
    (text) => {
      expect(verifyManual(manual, text, [ed25519.publicKey])).toBe('malformed');
    },
  );

  it('Ed25519 signatures are the same each time, so cached views and restarts agree', () => {
    expect(signManual(manual, ed25519)).toBe(signManual(manual, ed25519));
  });

  it('are header values: one line of visible ASCII', () => {
    expect(signManual(manual, p256)).toMatch(/^[\x21-\x7e]+$/);
  });
});

describe('keys', () => {
  it('the published JWK holds no private member and is named by its thumbprint (RFC 7638)', () => {
    expect(Object.keys(ed25519.publicKey.jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
    // The example key of RFC 8037 appendix A.2 and its thumbprint of A.3.
    const example = toPublicKey({ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' });
    expect(example?.kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  it('a JWK set gives its usable keys; private, symmetric and malformed ones are passed over', () => {
    const usable = ed25519.publicKey.jwk;
    const keys = [
      usable,
      { ...usable, d: 'x' },
      { kty: 'oct', k: 'x' },
      { ...usable, x: 'AA' },
      null,
      'text',
      { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' },
    ];
    expect(readPublicKeys({ keys }).map(({ kid }) => kid)).toEqual([ed25519.publicKey.kid]);
    expect(readPublicKeys(usable)).toHaveLength(1);
    expect(readPublicKeys('text')).toEqual([]);
  });

  it("a published kid that is not the key's thumbprint names nothing", () => {
    const lied = toPublicKey({ ...p256.publicKey.jwk, kid: ed25519.publicKey.kid });
    expect(lied?.kid).toBe(p256.publicKey.kid);
  });

  it('a key that cannot sign is refused by file, without a word of its content', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pem).toString();
    for (const text of [rsa, 'S3CRET']) {
      expect(() => readSigningKey(text, 'key.pem')).toThrowError(/^key\.pem: This is no private key(?!.*S3CRET)/);
    }
  });
});

describe('digests', () => {
  it('are equal for equal values and follow RFC 8785 for numbers and order', () => {
    expect(digestJson({ b: 1, a: [1.0, 'é'] })).toBe(digestJson({ a: [1, 'é'], b: 1 }));
    expect(canonicalizeJson(JSON.parse('{"€":333333333.33333329,"1":1E30,"a":"\\u000f"}')).toString()).toBe(
      '{"1":1e+30,"a":"\\u000f","€":333333333.3333333}',
    );
    expect(digestJson({})).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});
