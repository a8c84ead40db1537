import { describe, expect, it } from 'vitest';
import { BoundedLineReader, findAnswerId } from '../../src/protocols/mcp-lines.js';

function createReader(maxBytes: number) {
  const lines: string[] = [];
  const long: (readonly [string, string])[] = [];
  const reader = new BoundedLineReader(maxBytes, {
    onLine: (line) => lines.push(line),
    onLongLine: (head, tail) => long.push([head, tail]),
  });
  return { reader, lines, long };
}

describe('BoundedLineReader', () => {
  it('gives the same lines however the bytes were cut', () => {
    const bytes = Buffer.from('{"a":"ü"}\n\n{"b":2}\n');
    for (let size = 1; size <= bytes.length; size += 1) {
      const { reader, lines } = createReader(100);
      for (let start = 0; start < bytes.length; start += size) reader.push(bytes.subarray(start, start + size));
      expect(lines).toEqual(['{"a":"ü"}', '', '{"b":2}']);
    }
  });

  it('drops a line over the cap, keeps both its ends, and reads on', () => {
    const { reader, lines, long } = createReader(1_000);
    const line = `HEAD${'x'.repeat(50_000)}TAIL`;
    for (const part of line.match(/.{1,777}/g) ?? []) reader.push(Buffer.from(part));
    reader.push(Buffer.from('\nnext\n'));
    expect(lines).toEqual(['next']);
    expect(long).toHaveLength(1);
    const [head = '', tail = ''] = long[0] ?? [];
    expect([head.length, tail.length]).toEqual([256, 256]);
    expect([head.startsWith('HEADx'), tail.endsWith('xTAIL')]).toEqual([true, true]);
  });

  it('keeps the end of a long line whose last piece is short', () => {
    const { reader, long } = createReader(10);
    for (const part of ['{"result":', '1234567890', ',"id":', '5}', '\n']) reader.push(Buffer.from(part));
    expect(long).toEqual([['{"result":1234567890', '{"result":1234567890,"id":5}']]);
  });

  it('counts what a line without an end has brought', () => {
    const { reader } = createReader(10);
    for (let piece = 0; piece < 5; piece += 1) reader.push(Buffer.alloc(100, 'x'));
    expect(reader.pendingBytes).toBe(500);
  });
});

describe('findAnswerId', () => {
  const text = 'x'.repeat(300);

  it.each([
    ['first', JSON.stringify({ jsonrpc: '2.0', id: 7, result: { text } })],
    ['last', JSON.stringify({ result: { text }, jsonrpc: '2.0', id: 7 })],
    ['of an error', JSON.stringify({ error: { code: 1, message: text }, jsonrpc: '2.0', id: 7 })],
  ])('finds an id that stands %s', (_place, line) => {
    expect(findAnswerId(line.slice(0, 256), line.slice(-256))).toBe(7);
  });

  it.each([
    [
      'a request of the server',
      JSON.stringify({ method: 'sampling/createMessage', params: { text }, jsonrpc: '2.0', id: 7 }),
    ],
    ['an id inside the result', JSON.stringify({ jsonrpc: '2.0', result: { text, id: 7 } })],
    ['a text that looks like an id', JSON.stringify({ result: `${text}"id":7}` })],
    ['a text id', JSON.stringify({ jsonrpc: '2.0', id: '7', result: { text } })],
  ])('finds none in %s', (_what, line) => {
    expect(findAnswerId(line.slice(0, 256), line.slice(-256))).toBeUndefined();
  });
});
