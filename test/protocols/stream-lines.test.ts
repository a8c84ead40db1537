import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../src/protocols/stream-lines.js';

function lines(text: string, chunkSize: number): readonly string[] {
  const splitter = new LineSplitter('lf', 64);
  const bytes = Buffer.from(text);
  const found: string[] = [];
  for (let start = 0; start < bytes.length; start += chunkSize) {
    found.push(...splitter.split(bytes.subarray(start, start + chunkSize)));
  }
  const rest = splitter.rest();
  return rest === undefined ? found : [...found, rest];
}

describe('LineSplitter', () => {
  it('gives the last line that no line end follows', () => {
    expect(lines('{"a":1}\n{"a":2}', 3)).toEqual(['{"a":1}', '{"a":2}']);
  });

  it('gives every line whole however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => !/[\n\ud800-\udfff]/.test(text))),
        fc.integer({ min: 1, max: 20 }),
        (wanted, size) => {
          const text = wanted.map((line) => `${line}\n`).join('');
          expect(lines(text, size)).toEqual(wanted);
        },
      ),
    );
  });

  it('holds no more of a line than its cap', () => {
    const splitter = new LineSplitter('lf', 64);
    splitter.split(Buffer.alloc(64, 'x'));
    expect(() => splitter.split(Buffer.from('x'))).toThrowError(
      expect.objectContaining({ code: 'upstream_too_large', reason: 'event_too_large' }),
    );
  });

  it('reads a chunk of nothing but line ends in linear time', () => {
    const splitter = new LineSplitter('any', 64);
    const started = performance.now();
    expect(splitter.split(Buffer.alloc(1_000_000, '\r'))).toHaveLength(1_000_000);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
