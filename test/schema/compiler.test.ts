import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { JsonSchema } from '../../src/core/index.js';
import { createSchemaCompiler, maxDepth } from '../../src/schema/index.js';

const compiler = createSchemaCompiler();
const judge = (schema: JsonSchema, value: unknown) => compiler.compile(schema)(value);

const book: JsonSchema = {
  type: 'object',
  properties: { title: { type: 'string', minLength: 1 }, pages: { type: 'integer' }, 'a/b~c': { type: 'boolean' } },
  required: ['title'],
  additionalProperties: false,
};

describe('validators', () => {
  it('accept what fits and say nothing', () => {
    expect(judge(book, { title: 'Öbel ☃', pages: 7 })).toBeUndefined();
  });

  it('tell every error at once, each by JSON pointer (RFC 6901)', () => {
    expect(judge(book, { pages: '7', 'a/b~c': 1, evil: 1 })).toEqual([
      { pointer: '/title', message: 'is required' },
      { pointer: '/evil', message: 'is not a known property' },
      { pointer: '/pages', message: 'must be integer' },
      { pointer: '/a~1b~0c', message: 'must be boolean' },
    ]);
  });

  it('neither coerce nor strip nor fill in: the value is untouched', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer', default: 3 }, s: { type: 'string' } } };
    const value = { s: 'x', more: 1 };
    expect(judge(schema, value)).toBeUndefined();
    expect(value).toEqual({ s: 'x', more: 1 });
    expect(judge(schema, { n: '7' })).toEqual([{ pointer: '/n', message: 'must be integer' }]);
  });

  it('are not satisfied by what every object inherits', () => {
    expect(judge({ type: 'object', required: ['constructor'] }, {})).toEqual([
      { pointer: '/constructor', message: 'is required' },
    ]);
  });

  it('take 19.99 for a multiple of 0.01', () => {
    expect(judge({ multipleOf: 0.01 }, 19.99)).toBeUndefined();
    expect(judge({ multipleOf: 0.01 }, 19.995)).toHaveLength(1);
  });

  it('never repeat a value that was sent', () => {
    const schema = {
      properties: { a: { const: 'x' }, b: { enum: ['y'] }, c: { pattern: '^q$' }, d: { format: 'email' } },
    };
    const problems = judge(schema, { a: 'S3CRET', b: 'S3CRET', c: 'S3CRET', d: 'S3CRET' });
    expect(problems).toHaveLength(4);
    expect(JSON.stringify(problems)).not.toContain('S3CRET');
  });

  it('keep two schemas with the same $id apart', () => {
    const one = {
      $id: 'https://example.com/x',
      type: 'object',
      properties: { a: { $ref: '#/$defs/t' } },
      $defs: { t: { type: 'string' } },
    };
    const two = {
      $id: 'https://example.com/x',
      type: 'object',
      properties: { a: { $ref: '#/$defs/t' } },
      $defs: { t: { type: 'null' } },
    };
    expect(judge(one, { a: 's' })).toBeUndefined();
    expect(judge(two, { a: 's' })).toHaveLength(1);
    expect(judge(two, { a: null })).toBeUndefined();
  });

  it('read recursive schemas', () => {
    const tree = { type: 'object', properties: { child: { $ref: '#' } }, additionalProperties: false };
    expect(judge(tree, { child: { child: {} } })).toBeUndefined();
    expect(judge(tree, { child: { leaf: 1 } })).toEqual([
      { pointer: '/child/leaf', message: 'is not a known property' },
    ]);
  });
});

describe('dialects', () => {
  const tuple = [{ type: 'string' }, { type: 'integer' }];

  it('2020-12 is the default', () => {
    expect(judge({ type: 'array', prefixItems: tuple, items: false }, ['a', 1, 2])).toHaveLength(1);
  });

  it('2020-12 knows $dynamicRef, dependentRequired and unevaluatedProperties', () => {
    const schema = {
      dependentRequired: { a: ['b'] },
      allOf: [{ properties: { a: true, b: true } }],
      unevaluatedProperties: false,
    };
    expect(judge(schema, { a: 1, c: 2 })).toEqual([
      { pointer: '/b', message: 'is required' },
      { pointer: '/c', message: 'is not a known property' },
    ]);
  });

  it('a schema of draft-07 words is read as draft-07', () => {
    expect(judge({ type: 'array', items: tuple, additionalItems: false }, ['a', 1, 2])).toHaveLength(1);
    expect(judge({ dependencies: { a: ['b'] } }, { a: 1 })).toEqual([{ pointer: '/b', message: 'is required' }]);
  });

  it('$schema decides', () => {
    const schema = { $schema: 'http://json-schema.org/draft-07/schema#', type: 'array', items: tuple };
    expect(judge(schema, [1, 1])).toEqual([{ pointer: '/0', message: 'must be string' }]);
    expect(compiler.check({ ...schema, $schema: 'https://json-schema.org/draft/2020-12/schema' })).toBe(
      '/items: must be object,boolean.',
    );
  });

  it('a $schema that nobody knows is refused, not guessed', () => {
    expect(compiler.check({ $schema: 'https://example.com/mine' })).toContain('/$schema');
  });
});

describe('check', () => {
  it.each<[string, JsonSchema, string]>([
    ['a type that does not exist', { properties: { a: { type: 'any' } } }, '/properties/a/type'],
    ['a pattern with look-around', { properties: { a: { pattern: '(?=a)b' } } }, '/properties/a/pattern'],
    ['a pattern with a back-reference', { pattern: '(a)\\1' }, '/pattern'],
    ['a pattern that does not parse', { patternProperties: { '[': {} } }, '/patternProperties/['],
    ['a reference to nothing', { items: { $ref: '#/$defs/x' } }, '/items/$ref'],
    ['a reference to a value that is no schema', { $ref: '#/title', title: 't' }, '/$ref'],
    ['a reference out of the document', { $ref: 'https://example.com/s' }, '/$ref'],
    ['a reference to an inherited member', { $ref: '#/constructor' }, '/$ref'],
    ['a reference that cannot be decoded', { $ref: '#/%' }, '/$ref'],
    ['$async, which Ajv would answer with a promise', { $async: true }, '/$async'],
    ['nullable without a type', { properties: { a: { nullable: true } } }, '/properties/a/nullable'],
  ])('refuses %s, and compile throws the same', (_name, schema, place) => {
    expect(compiler.check(schema)).toContain(place);
    expect(() => compiler.compile(schema)).toThrowError(/schema cannot be used/);
  });

  it.each<[string, JsonSchema]>([
    ['a property named pattern', { properties: { pattern: { type: 'string' }, $ref: { type: 'string' } } }],
    ['data that looks like a schema', { enum: [{ $ref: 'nowhere', pattern: '(' }], default: { type: 'any' } }],
    ['an anchor', { $ref: '#a', $defs: { x: { $anchor: 'a', type: 'string' } } }],
    ['an escaped pointer', { $ref: '#/$defs/a~1b%20c', $defs: { 'a/b c': {} } }],
    ['a format that nobody knows', { format: 'isbn' }],
    ['a keyword that nobody knows', { 'x-sanitize': ['trim'], id: 'book' }],
    ['nullable with a type', { type: 'string', nullable: true }],
  ])('accepts %s, and it compiles', (_name, schema) => {
    expect(compiler.check(schema)).toBeUndefined();
    expect(compiler.compile(schema)).toBeTypeOf('function');
  });

  it('ends on a schema that contains itself and on one nested without end', () => {
    const deep = JSON.parse(`${'{"not":'.repeat(5000)}{}${'}'.repeat(5000)}`);
    expect(compiler.check(deep)).toContain('nested deeper');
    const circle: Record<string, JsonSchema> = {};
    circle.not = circle;
    expect(compiler.check(circle)).toContain('contains itself');
  });
});

describe('no body can hang or crash the process', () => {
  const nest = (levels: number) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);

  it('a value nested deeper than the limit is refused before any schema is asked', () => {
    expect(judge({}, nest(maxDepth + 5))).toEqual([
      { pointer: '', message: `is nested deeper than ${maxDepth} levels` },
    ]);
    expect(judge({ $defs: { a: {} }, items: { $ref: '#' } }, nest(1_000_000))).toHaveLength(1);
    expect(judge({}, nest(50))).toBeUndefined();
  });

  it('a schema that only refers to itself refuses, rather than end the process', () => {
    expect(judge({ $ref: '#' }, 1)).toEqual([
      { pointer: '', message: 'cannot be judged: the schema refers to itself' },
    ]);
  });

  it('uniqueItems over 200,000 objects takes linear time', () => {
    const items = Array.from({ length: 200_000 }, (_, index) => ({ a: index, b: 'x' }));
    const validate = compiler.compile({ type: 'array', uniqueItems: true });
    const start = performance.now();
    expect(validate(items)).toBeUndefined();
    expect(validate([...items, { b: 'x', a: 7 }])).toEqual([{ pointer: '', message: 'must not have two equal items' }]);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('uniqueItems tells arrays, objects, numbers and texts apart', () => {
    const validate = compiler.compile({ uniqueItems: true });
    expect(validate([1, '1', [1], ['1'], { a: 1 }, ['a', 1], [['a', 1]], null, 'null', true, [], {}])).toBeUndefined();
    expect(validate([{ a: { b: 1, c: 2 } }, { a: { c: 2, b: 1 } }])).toHaveLength(1);
    expect(validate([1, 1.0])).toHaveLength(1);
  });

  it('many errors give a bounded answer', () => {
    const validate = compiler.compile({ type: 'array', items: { type: 'string' } });
    expect(validate(Array.from({ length: 5000 }, () => 1))).toHaveLength(100);
    expect(validate(Array.from({ length: 500_000 }, () => 1))).toHaveLength(1);
    const [problem] = judge({ additionalProperties: false }, { ['k'.repeat(100_000)]: 1 }) ?? [];
    expect(problem?.pointer.length).toBe(300);
  });
});

describe('a compiler that lives through many reloads', () => {
  it('lets go of the schemas whose validators are gone', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: () => void = runInNewContext('gc');
    const fresh = (turn: number): JsonSchema => ({ properties: { [`p${turn}`]: { type: 'string', maxLength: turn } } });
    const early = Array.from({ length: 20 }, (_, turn) => {
      const schema = fresh(turn);
      compiler.compile(schema)({});
      return new WeakRef(schema);
    });
    for (let turn = 20; turn < 600; turn++) compiler.compile(fresh(turn))({});
    // A weak reference holds until the task in which it was made is over.
    await new Promise((resolve) => setTimeout(resolve, 10));
    collectGarbage();
    expect(early.filter((schema) => schema.deref() !== undefined)).toEqual([]);
  });
});
