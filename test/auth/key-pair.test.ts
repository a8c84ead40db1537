import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { generatePrivateKey } from '../../src/auth/key-pair.js';

it.each([
  ['ec', 'P-256'],
  ['ed25519', 'Ed25519'],
] as const)('a new key (%s) is one of its curve, and no other is like it', (type, curve) => {
  const [one, other] = [generatePrivateKey(type), generatePrivateKey(type)].map((key) => key.export({ format: 'jwk' }));
  expect([one?.crv, other?.crv]).toEqual([curve, curve]);
  expect(one?.d).not.toBe(other?.d);
});

it('no other source makes keys: one that is used as it was made may hang the process', () => {
  const root = join(import.meta.dirname, '../../src');
  const makers = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .filter((file) => readFileSync(join(root, file), 'utf8').includes('generateKeyPair'));
  expect(makers).toEqual(['auth/key-pair.ts']);
});
