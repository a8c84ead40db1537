import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holdsInexactNumber, isExactNumber } from '../../src/core/index.js';

describe('a number that JavaScript would change', () => {
  it.each(['9007199254740993', '-9007199254740993', '123456789012345678', '1e400', '-1E+999', '1e-400', '0.1e-400'])(
    '%s is found, wherever it stands',
    (literal) => {
      expect(isExactNumber(literal)).toBe(false);
      for (const text of [
        literal,
        `[1,${literal}]`,
        `{"a":{"b":[${literal}]}}`,
        `{"e\\\\":"\\\\\\"", "x":${literal}}`,
      ]) {
        JSON.parse(text);
        expect(holdsInexactNumber(text), text).toBe(true);
      }
    },
  );

  it.each([
    '9007199254740992',
    '-9007199254740992',
    '100000000000000000000',
    '0',
    '-0',
    '0e9',
    '1e308',
    '0.1',
    '1e-300',
  ])('%s is none', (literal) => {
    expect(isExactNumber(literal)).toBe(true);
    expect(holdsInexactNumber(`{"a":[${literal}]}`)).toBe(false);
  });

  it('is not looked for in texts, however they are escaped', () => {
    for (const text of ['9007199254740993', '"9007199254740993', '\\"9007199254740993\\', '1e400', '\\\\']) {
      expect(holdsInexactNumber(JSON.stringify({ [text]: [text, 1e5], n: 1 }))).toBe(false);
    }
  });

  it('is never found in what JavaScript itself has written (property)', () => {
    fc.assert(fc.property(fc.json(), (text) => !holdsInexactNumber(JSON.stringify(JSON.parse(text)))));
  });

  it('is found in linear time', () => {
    const start = process.cpuUsage();
    holdsInexactNumber(JSON.stringify(['\\'.repeat(500_000), '"'.repeat(500_000), 1e21]));
    holdsInexactNumber(`[${'9'.repeat(1_000_000)}]`);
    holdsInexactNumber(`[${'1,'.repeat(500_000)}1e2]`);
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(3_000);
  });
});
