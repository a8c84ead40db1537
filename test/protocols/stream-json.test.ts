import { describe, expect, it } from 'vitest';
import type { StreamItem } from '../../src/core/index.js';
import { collectJsonArray, toJsonText } from '../../src/protocols/stream-json.js';

describe('toJsonText', () => {
  it('leaves JSON as it was written, large numbers included', () => {
    expect(toJsonText('{"id":12345678901234567890}', 'auto')).toBe('{"id":12345678901234567890}');
  });

  it('makes text that is not JSON a JSON string', () => {
    expect(toJsonText('[DONE]', 'auto')).toBe('"[DONE]"');
    expect(toJsonText('', 'auto')).toBe('""');
  });

  it('puts JSON over several lines on one', () => {
    const text = toJsonText('{\n"a":\r\n1\n}', 'json');
    expect(text).not.toMatch(/[\r\n]/);
    expect(JSON.parse(text)).toEqual({ a: 1 });
  });

  it('refuses data that is not JSON where the template says json', () => {
    expect(() => toJsonText('hello', 'json')).toThrowError(
      expect.objectContaining({ code: 'upstream_invalid', reason: 'not_json' }),
    );
  });

  it('hands JSON on as a string where the template says text', () => {
    expect(toJsonText('1', 'text')).toBe('"1"');
  });
});

describe('collectJsonArray', () => {
  it('collects texts and bytes into one JSON array', async () => {
    async function* items(): AsyncGenerator<StreamItem> {
      yield { data: '{"a":1}' };
      yield { data: Buffer.from([0, 255]) };
    }
    expect(JSON.parse((await collectJsonArray(items())).toString())).toEqual([{ a: 1 }, { base64: 'AP8=' }]);
  });
});
