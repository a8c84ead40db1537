import { JsonSchemaSerializer } from '@utcp/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../src/core/index.js';
import { normalizeSchema, settleSchema } from '../../src/manual/schema.js';
import { createSchemaCompiler } from '../../src/schema/index.js';

const official = new JsonSchemaSerializer();
const compiler = createSchemaCompiler();

describe('normalizeSchema', () => {
  it.each<[string, Json, Json]>([
    ['boolean subschemas', { properties: { a: true, b: false } }, { properties: { a: {}, b: { not: {} } } }],
    ['boolean items', { items: true, anyOf: [false, true] }, { items: {}, anyOf: [{ not: {} }, {}] }],
    ['what may be boolean', { additionalProperties: false }, { additionalProperties: false }],
    ['type any', { type: 'any' }, {}],
    ['a type of one', { type: ['string'] }, { type: 'string' }],
    ['the type of the root', { type: ['string', 'null'] }, { anyOf: [{ type: 'string' }, { type: 'null' }] }],
    ['types below the root', { items: { type: ['string', 'null'] } }, { items: { type: ['string', 'null'] } }],
    [
      'fractional lengths',
      { minLength: 1.5, maxLength: 2.5, maxItems: '7' },
      { minLength: 2, maxLength: 2, maxItems: 7 },
    ],
    [
      'exclusive booleans',
      { minimum: 1, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false },
      { exclusiveMinimum: 1, maximum: 9 },
    ],
    [
      'null annotations',
      { title: null, default: null, examples: [null, 1], 'x-a': { b: null } },
      { examples: [1], 'x-a': {} },
    ],
    ['a null constant', { const: null }, { type: 'null' }],
    ['an enum of null', { enum: [null] }, { type: 'null' }],
    ['an enum with null', { enum: ['a', null] }, { anyOf: [{ enum: ['a'] }, { type: 'null' }] }],
    ['an enum whose null the type excludes', { type: 'string', enum: ['a', null] }, { type: 'string', enum: ['a'] }],
    [
      'an enum with null beside anyOf',
      { enum: ['a', null], anyOf: [{}] },
      { anyOf: [{}], allOf: [{ anyOf: [{ enum: ['a'] }, { type: 'null' }] }] },
    ],
    ['an enum of nothing', { enum: [] }, { not: {} }],
    [
      'a required property',
      { properties: { a: { type: 'string', required: true } } },
      { properties: { a: { type: 'string' } }, required: ['a'] },
    ],
    ['what is no schema', 7, {}],
  ])('rewrites %s', (_name, schema, expected) => {
    expect(normalizeSchema(schema)).toEqual(expected);
  });

  it('keeps properties that are named like keywords', () => {
    const schema = { type: 'object', properties: { type: { type: 'string' }, enum: { type: 'array' }, $ref: {} } };
    expect(normalizeSchema(schema)).toEqual(schema);
  });

  it('keeps a property named __proto__ a property', () => {
    const schema: Json = JSON.parse('{"properties":{"__proto__":{"type":"string"}}}');
    expect(JSON.stringify(normalizeSchema(schema))).toBe(JSON.stringify(schema));
  });

  it('gives what the official client and the meta-schema accept, whatever came in, and is idempotent', () => {
    fc.assert(
      fc.property(schemaLike, (schema) => {
        const normal = normalizeSchema(schema);
        official.validateDict({ ...normal });
        // Tuples are of another dialect than some of the keywords here.
        if (!JSON.stringify(normal).includes('"items":[')) expect(compiler.check(normal)).toBeUndefined();
        expect(normalizeSchema(normal)).toEqual(normal);
        // What is remembered as normal comes out as it would if it were gone through again.
        expect(normalizeSchema({ items: settleSchema(schema) })).toEqual(normalizeSchema({ items: normal }));
        const meant = (key: string, value: Json) => (key === 'const' || key === 'enum' ? undefined : value);
        expect(JSON.stringify(normal, meant)).not.toMatch(/[:[,]null/);
      }),
      { numRuns: 500 },
    );
  });

  it('changes nothing about which values a sound schema accepts', () => {
    const values: readonly Json[] = [null, 'a', 'abc', 0, 1, 5, true, [], ['a'], { a: 1 }, { a: null, b: 'x' }];
    fc.assert(
      fc.property(soundSchema, (schema) => {
        const before = compiler.compile({ allOf: [schema] });
        const after = compiler.compile(normalizeSchema(schema));
        for (const value of values) expect(after(value) === undefined).toBe(before(value) === undefined);
      }),
      { numRuns: 200 },
    );
  });
});

const scalar = fc.oneof(fc.constantFrom(null, true, false, '', 'a', 0, 1, -1, 1.5, '7'), fc.constant<Json>([]));
const { schemaLike } = fc.letrec<{ schemaLike: Json; member: Json }>((tie) => ({
  member: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(scalar, { maxLength: 3 }),
    tie('schemaLike'),
    fc.array(tie('schemaLike'), { maxLength: 2 }),
  ),
  schemaLike: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.dictionary(
      fc.constantFrom(
        ...['type', 'properties', 'items', 'required', 'enum', 'const', 'default', 'examples', 'minLength', 'minimum'],
        ...['exclusiveMinimum', 'multipleOf', 'additionalProperties', 'anyOf', 'allOf', 'not', 'title', 'uniqueItems'],
        ...['$defs', 'dependentRequired', 'if', 'contains', 'deprecated', 'x-own', 'propertyNames', 'minContains'],
      ),
      tie('member'),
      { maxKeys: 5 },
    ),
  ),
}));

const { soundSchema } = fc.letrec<{ soundSchema: Record<string, Json> }>((tie) => ({
  soundSchema: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<Record<string, Json>>(
      { type: 'string', minLength: 2 },
      { type: ['string', 'null'] },
      { enum: ['a', 1, null] },
      { type: ['integer', 'null'], enum: [1, null] },
      { const: null },
      { enum: [null] },
      { exclusiveMinimum: 1 },
      { type: 'object', required: ['a'], properties: { a: true, b: false } },
      { items: false },
    ),
    fc.record({ items: tie('soundSchema') }),
    fc.record({ properties: fc.record({ a: tie('soundSchema') }) }),
    fc.array(tie('soundSchema'), { minLength: 1, maxLength: 2 }).map((anyOf) => ({ anyOf, enum: ['a', null, 5] })),
    tie('soundSchema').map((not) => ({ not })),
  ),
}));
