import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonSchema } from '../../src/core/index.js';
import { createSanitizer, createSchemaCompiler } from '../../src/schema/index.js';
import { sanitizers } from '../../src/schema/sanitizer.js';

const compiler = createSchemaCompiler();
const names = Object.keys(sanitizers);

function clean(schema: JsonSchema, value: JsonObject): JsonObject {
  expect(compiler.check(schema)).toBeUndefined();
  return createSanitizer(schema)?.(value) ?? value;
}

const text = (...sanitize: readonly string[]): JsonObject => ({ type: 'string', 'x-sanitize': sanitize });
const object = (properties: JsonObject, more: JsonObject = {}): JsonSchema => ({
  type: 'object',
  properties,
  ...more,
});

describe('x-sanitize', () => {
  it.each([
    ['trim', '\u00a0 \t a b \n', 'a b'],
    ['strip_control', 'a\u0000b\u001b[31mc\u0085\u007f\td\r\ne', 'ab[31mc\td\r\ne'],
    ['strip_html', 'a <b onclick="x()">bold</b> & <!-- y -->z', 'a bold & z'],
    ['strip_html', '<<b>script>alert(1)<</b>/script>', 'scriptalert(1)/script'],
    ['strip_html', '1 < 2', '1  2'],
    ['normalize_nfc', 'e\u0301', '\u00e9'],
  ])('%s turns %j into %j', (name, before, after) => {
    expect(clean(object({ a: text(name) }), { a: before })).toEqual({ a: after });
  });

  it('runs the sanitizers in the order in which they stand', () => {
    const schema = object({ a: text('strip_html', 'trim'), b: text('trim', 'strip_html') });
    expect(clean(schema, { a: '<b> x </b>', b: '<b> x </b>' })).toEqual({ a: 'x', b: ' x ' });
  });

  it('reaches nested properties, items, tuples, allOf and references, and only what names it', () => {
    const schema = object(
      {
        list: { type: 'array', items: text('trim') },
        pair: { type: 'array', prefixItems: [text('trim'), { type: 'string' }] },
        deep: object({ a: text('trim'), b: { type: 'string' } }),
        both: { allOf: [{ type: 'string' }, text('trim')] },
        tree: { $ref: '#/$defs/node' },
      },
      {
        additionalProperties: text('trim'),
        $defs: { node: object({ name: text('trim'), below: { type: 'array', items: { $ref: '#/$defs/node' } } }) },
      },
    );
    const value = {
      list: [' a ', 1, ' b '],
      pair: [' a ', ' b '],
      deep: { a: ' a ', b: ' b ' },
      both: ' a ',
      tree: { name: ' a ', below: [{ name: ' b ', below: [] }] },
      other: ' a ',
    };
    expect(clean(schema, value)).toEqual({
      list: ['a', 1, 'b'],
      pair: ['a', ' b '],
      deep: { a: 'a', b: ' b ' },
      both: 'a',
      tree: { name: 'a', below: [{ name: 'b', below: [] }] },
      other: 'a',
    });
    expect(value.list).toEqual([' a ', 1, ' b ']);
  });

  it('cleans nothing where nothing names it: the default is to refuse', () => {
    expect(createSanitizer(object({ a: { type: 'string', pattern: '^a$' } }))).toBeUndefined();
  });

  it('never changes what is no string, and keeps a member called __proto__ a member', () => {
    const value: JsonObject = JSON.parse('{"a": 5, "__proto__": {"b": 1}, "c": " x "}');
    const cleaned = clean(object({ a: { 'x-sanitize': ['trim'] }, c: text('trim') }), value);
    expect(JSON.stringify(cleaned)).toBe('{"a":5,"__proto__":{"b":1},"c":"x"}');
    expect(Object.getPrototypeOf(cleaned)).toBe(Object.prototype);
  });

  it('leaves no markup and no control character, and changes nothing when it runs again (property)', () => {
    const all = object({ a: text(...names) });
    const each = object(Object.fromEntries(names.map((name) => [name, text(name)])));
    const hostile = fc.array(fc.constantFrom('<', '>', '<b>', '</', 'x', ' ', '\0', '\u009b', 'e\u0301', '\ud800'));
    fc.assert(
      fc.property(hostile, (parts) => {
        const dirty = parts.join('');
        expect(clean(all, { a: dirty }).a).not.toMatch(/[<>\0\u009b]/);
        const once = clean(each, Object.fromEntries(names.map((name) => [name, dirty])));
        expect(clean(each, once)).toEqual(once);
      }),
    );
  });

  it('takes linear time on a megabyte of markup', () => {
    const start = process.cpuUsage();
    for (const piece of ['<', '<a', '<>', '>', ' \t']) {
      clean(object({ a: text(...names) }), { a: piece.repeat(1_000_000 / piece.length) });
    }
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(5_000);
  });

  it('ends on a value that is nested without end, which the validator refuses', () => {
    const schema: JsonSchema = {
      type: 'object',
      properties: { a: { $ref: '#' }, b: text('trim') },
      additionalProperties: false,
    };
    const depth = 50_000;
    const value: JsonObject = JSON.parse(`${'{"a":'.repeat(depth)}{}${'}'.repeat(depth)}`);
    expect(compiler.compile(schema)(clean(schema, value))).toMatchObject([{ pointer: '' }]);
  });
});

describe('an x-sanitize that would do nothing fails the load', () => {
  it.each<[string, JsonSchema]>([
    ['an unknown name', object({ a: text('trim', 'escape_sql') })],
    ['a text in place of the list', object({ a: { type: 'string', 'x-sanitize': 'trim' } })],
    ['an empty list', object({ a: text() })],
    ['a name of the prototype', object({ a: text('toString') })],
    ['a value that is no string', object({ a: { type: 'integer', 'x-sanitize': ['trim'] } })],
    ['an alternative', object({ a: { anyOf: [text('trim'), { type: 'integer' }] } })],
    ['a pattern property', { type: 'object', patternProperties: { '^a': text('trim') } }],
    ['a definition that nothing leads to', object({}, { $defs: { a: text('trim') } })],
  ])('%s', (_what, schema) => {
    expect(compiler.check(schema)).toContain('/x-sanitize: ');
  });
});
