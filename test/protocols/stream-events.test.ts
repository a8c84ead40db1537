import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStreamParser, type ServerSentEvent } from '../../src/protocols/stream-events.js';

function parse(
  text: string | Buffer,
  chunkSize = Number.POSITIVE_INFINITY,
  maxBytes = 1024,
): readonly ServerSentEvent[] {
  const parser = new EventStreamParser(maxBytes);
  const bytes = Buffer.from(text);
  const events: ServerSentEvent[] = [];
  for (let start = 0; start < bytes.length; start += chunkSize) {
    events.push(...parser.parse(bytes.subarray(start, Math.min(bytes.length, start + chunkSize))));
  }
  return events;
}

const data = (text: string) => parse(text).map((event) => event.data);

describe('EventStreamParser (WHATWG HTML section 9.2.6)', () => {
  it.each([
    ['LF', '\n'],
    ['CR', '\r'],
    ['CRLF', '\r\n'],
  ])('ends lines by %s', (_name, end) => {
    expect(parse(`event: a${end}data: 1${end}${end}data: 2${end}${end}`)).toEqual([
      { event: 'a', data: '1', id: '' },
      { event: 'message', data: '2', id: '' },
    ]);
  });

  it('takes a CRLF that two chunks share for one line end', () => {
    const parser = new EventStreamParser(1024);
    expect(parser.parse(Buffer.from('data: 1\r'))).toEqual([]);
    expect(parser.parse(Buffer.from('\n\r'))).toEqual([{ event: 'message', data: '1', id: '' }]);
    expect(parser.parse(Buffer.from('\ndata: 2\n\n'))).toEqual([{ event: 'message', data: '2', id: '' }]);
  });

  it('joins the data lines of one event by LF', () => {
    expect(data('data: YHOO\ndata: +2\ndata: 10\n\n')).toEqual(['YHOO\n+2\n10']);
  });

  it('drops one space after the colon and no more', () => {
    expect(data('data:test\n\ndata: test\n\ndata:  test\n\n')).toEqual(['test', 'test', ' test']);
  });

  it('takes a field without a colon for one with an empty value', () => {
    expect(data('data\n\ndata\ndata\n\ndata:\n\n')).toEqual(['', '\n', '']);
  });

  it('passes over comments, unknown fields and events without data', () => {
    expect(data(': hello\n\nfoo: bar\nevent: ping\n\nData: no\n\ndata: yes\n\n')).toEqual(['yes']);
  });

  it('forgets the name of an event that had no data', () => {
    expect(parse('event: lost\n\ndata: 1\n\n')).toEqual([{ event: 'message', data: '1', id: '' }]);
  });

  it('keeps the last id until another comes and refuses one with NUL', () => {
    expect(parse('id: 1\ndata: a\n\ndata: b\n\nid: x\0y\ndata: c\n\nid\ndata: d\n\n').map((event) => event.id)).toEqual(
      ['1', '1', '1', ''],
    );
  });

  it('reads retry only when it is all digits', () => {
    const parser = new EventStreamParser(1024);
    parser.parse(Buffer.from('retry: 12a\n'));
    expect(parser.retry_ms).toBeUndefined();
    parser.parse(Buffer.from('retry: 2500\n'));
    expect(parser.retry_ms).toBe(2500);
  });

  it('drops one byte order mark at the start and none later', () => {
    expect(data('\ufeffdata: 1\n\n')).toEqual(['1']);
    expect(data('\ufeff\ufeffdata: 1\n\ndata: 2\n\n')).toEqual(['2']);
  });

  it('discards what stands after the last blank line', () => {
    expect(data('data: whole\n\ndata: half\n')).toEqual(['whole']);
  });

  it('puts a character together that the network cut in two', () => {
    expect(parse('data: grüße 🦉\n\n', 1).map((event) => event.data)).toEqual(['grüße 🦉']);
  });

  it('replaces bytes that are not UTF-8', () => {
    expect(parse(Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0x0a, 0x0a]))[0]?.data).toBe('\ufffd');
  });

  it('refuses a line over the cap, however it is cut', () => {
    for (const size of [1, 7, 4096]) {
      expect(() => parse(`data: ${'x'.repeat(2000)}\n\n`, size)).toThrowError(
        expect.objectContaining({ code: 'upstream_too_large', reason: 'event_too_large' }),
      );
    }
  });

  it('refuses an event over the cap that comes in many small lines, empty ones too', () => {
    expect(() => parse('data: 0123456789\n'.repeat(200))).toThrowError(
      expect.objectContaining({ code: 'upstream_too_large' }),
    );
    expect(() => parse('data\n'.repeat(2000))).toThrowError(expect.objectContaining({ code: 'upstream_too_large' }));
  });

  it('gives the same events however the stream is cut into chunks', () => {
    const piece = fc.constantFrom('data: é', 'data', 'id: 7', 'event: e', ': c', '\r', '\n', '\r\n', '\n\n', '🦉', ':');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 9 }), (pieces, size) => {
        const text = pieces.join('');
        expect(parse(text, size)).toEqual(parse(text));
      }),
    );
  });
});
