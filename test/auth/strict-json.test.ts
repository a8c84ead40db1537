import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictObject } from '../../src/auth/strict-json.js';

const parse = (text: string) => parseStrictObject(Buffer.from(text));

describe('strict JSON', () => {
  it('reads every object as JSON.parse does, however it is written', () => {
    const values = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue());
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 3 }), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        // A lone surrogate is escaped by stringify, so the text is well-formed UTF-8 all the same.
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('refuses a member named twice, at any depth, however it is spelt', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.jsonValue(), fc.jsonValue(), fc.boolean(), (name, a, b, nested) => {
        const escaped = [...name].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
        const second = name.length === escaped.length ? `"${escaped.join('')}"` : JSON.stringify(name);
        const text = `{${JSON.stringify(name)}:${JSON.stringify(a)},${second}:${JSON.stringify(b)}}`;
        expect(parse(nested ? `{"outer":[1,${text}]}` : text)).toBeUndefined();
      }),
    );
  });

  it('lets the same name stand in two objects, and as a value', () => {
    expect(parse('{"a":{"b":"a"},"c":[{"b":1},{"b":2}],"b":"b"}')).toBeDefined();
  });

  it.each(['', 'null', '[]', '"a"', '{', '{"a":1}x', '\ufeff{}', '{"a":01}'])('refuses %j', (text) => {
    expect(parse(text)).toBeUndefined();
  });
});
