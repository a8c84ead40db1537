import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuthoredManual, AuthoredTool, JsonSchema } from '../../src/core/index.js';
import { diffManuals, type ManualDiff } from '../../src/manual/diff.js';
import { createSchemaCompiler } from '../../src/schema/index.js';

const tool: AuthoredTool = {
  name: 'get_book',
  description: 'Gets a book.',
  inputs: {
    type: 'object',
    properties: { id: { type: 'integer', minimum: 1 }, format: { type: 'string', enum: ['full', 'short'] } },
    required: ['id'],
    additionalProperties: false,
  },
  outputs: { type: 'object', properties: { title: { type: 'string' } }, required: ['title'] },
  tags: ['books'],
  tool_call_template: { call_template_type: 'http', http_method: 'GET', url: 'https://api.example/books/{id}' },
};

function manualOf(version: string, ...tools: readonly AuthoredTool[]): AuthoredManual {
  return { utcp_version: '1.1.0', manual_version: version, tools };
}

function diffTools(after: Partial<AuthoredTool>, before: Partial<AuthoredTool> = {}): ManualDiff {
  return diffManuals(manualOf('1.0.0', { ...tool, ...before }), manualOf('1.0.0', { ...tool, ...after }));
}

function input(schema: JsonSchema): Partial<AuthoredTool> {
  return { inputs: { type: 'object', properties: { a: schema }, additionalProperties: false } };
}

const { tool_call_template: template } = tool;

describe('a change of a tool', () => {
  it.each<[string, Partial<AuthoredTool>, string, string]>([
    ['its description', { description: 'Gets it.' }, 'description-changed', 'patch'],
    ['its tags', { tags: ['books', 'read'] }, 'tags-changed', 'minor'],
    ['its size', { average_response_size: 5 }, 'size-changed', 'patch'],
    [
      'its host',
      { tool_call_template: { ...template, url: 'https://evil.example/books/{id}' } },
      'host-changed',
      'major',
    ],
    [
      'its scheme',
      { tool_call_template: { ...template, url: 'http://api.example/books/{id}' } },
      'host-changed',
      'major',
    ],
    [
      'its path',
      { tool_call_template: { ...template, url: 'https://api.example/v2/{id}' } },
      'template-changed',
      'patch',
    ],
    ['its method', { tool_call_template: { ...template, http_method: 'POST' } }, 'protocol-changed', 'major'],
    ['its auth', { tool_call_template: { ...template, auth: { auth_type: 'basic' } } }, 'auth-changed', 'major'],
    ['its TLS', { tool_call_template: { ...template, verify_ssl: false } }, 'template-changed', 'major'],
    ['its program', { tool_call_template: { ...template, command: '/bin/x' } }, 'template-changed', 'major'],
    ['a scope more', { required_scopes: ['admin'] }, 'permissions-changed', 'major'],
  ])('in %s is told', (_name, after, kind, step) => {
    expect(diffTools(after).changes).toEqual([expect.objectContaining({ kind, step, tool: 'get_book' })]);
  });

  it('never quotes a credential', () => {
    const auth = { auth_type: 'api_key', api_key: 'k-old-secret' };
    const after = { tool_call_template: { ...template, auth: { ...auth, api_key: 'k-new-secret' } } };
    const diff = diffTools(after, { tool_call_template: { ...template, auth } });
    expect(diff.owed).toBe('major');
    expect(JSON.stringify(diff)).not.toContain('secret');
  });

  it('in nothing but the order of members is none', () => {
    const inputs: JsonSchema = JSON.parse(JSON.stringify(tool.inputs), (_key, value) =>
      Array.isArray(value) || typeof value !== 'object' ? value : Object.fromEntries(Object.entries(value).reverse()),
    );
    expect(diffTools({ inputs })).toMatchObject({ changes: [], owed: 'none', stated: 'none', matches: true });
  });
});

describe('tools', () => {
  it('that are new owe a minor step, that are gone a major one', () => {
    const other = { ...tool, name: 'list_books' };
    expect(diffManuals(manualOf('1.0.0', tool), manualOf('1.1.0', tool, other))).toMatchObject({
      changes: [{ kind: 'tool-added', tool: 'list_books' }],
      owed: 'minor',
      stated: 'minor',
      matches: true,
    });
    expect(diffManuals(manualOf('1.0.0', tool, other), manualOf('1.1.0', tool))).toMatchObject({
      changes: [{ kind: 'tool-removed', tool: 'list_books' }],
      owed: 'major',
      matches: false,
    });
  });
});

describe('an input', () => {
  it.each<[string, JsonSchema, JsonSchema, string]>([
    ['loses a type', { type: ['string', 'null'] }, { type: 'string' }, 'input-narrowed'],
    ['wins a type', { type: 'integer' }, { type: 'number' }, 'input-widened'],
    ['loses a choice', { enum: ['a', 'b'] }, { enum: ['a'] }, 'input-narrowed'],
    ['wins a choice', { const: 'a' }, { enum: ['a', 'b'] }, 'input-widened'],
    ['becomes a choice', {}, { enum: ['a'] }, 'input-narrowed'],
    ['gets a lower ceiling', { maxLength: 9 }, { maxLength: 8 }, 'input-narrowed'],
    ['gets a ceiling', {}, { maxItems: 8 }, 'input-narrowed'],
    ['loses a floor', { minimum: 1 }, {}, 'input-widened'],
    ['gets a pattern', {}, { pattern: '^a' }, 'input-narrowed'],
    ['gets another pattern', { pattern: '^b' }, { pattern: '^a' }, 'input-narrowed'],
    ['loses a format', { format: 'date' }, {}, 'input-widened'],
    ['gets unique items', {}, { uniqueItems: true }, 'input-narrowed'],
    ['is closed', { type: 'object' }, { type: 'object', additionalProperties: false }, 'input-narrowed'],
    ['is opened', { additionalProperties: false }, { additionalProperties: { type: 'string' } }, 'input-widened'],
    ['requires a member', { properties: { b: {} } }, { properties: { b: {} }, required: ['b'] }, 'input-narrowed'],
    [
      'loses an alternative',
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
      { anyOf: [{ type: 'null' }] },
      'input-narrowed',
    ],
    [
      'wins an alternative',
      { oneOf: [{ type: 'null' }] },
      { oneOf: [{ type: 'string' }, { type: 'null' }] },
      'input-widened',
    ],
    ['gets a demand', { allOf: [{ minLength: 1 }] }, { allOf: [{ minLength: 1 }, { maxLength: 2 }] }, 'input-narrowed'],
    [
      'changes deep inside',
      { items: { items: { maximum: 3 } } },
      { items: { items: { maximum: 2 } } },
      'input-narrowed',
    ],
    ['is described anew', { description: 'a' }, { description: 'b' }, 'description-changed'],
  ])('that %s is told', (_name, before, after, kind) => {
    expect(diffTools(input(after), input(before)).changes.map((one) => one.kind)).toEqual([kind]);
  });

  it('that is new is a widening, and a narrowing where it is required', () => {
    const more = { ...tool.inputs, properties: { ...Object(tool.inputs.properties), x: {} } };
    expect(diffTools({ inputs: more }).owed).toBe('minor');
    expect(diffTools({ inputs: { ...more, required: ['id', 'x'] } }).changes).toEqual([
      expect.objectContaining({
        kind: 'input-narrowed',
        pointer: '/inputs/properties/x',
        message: 'x is new and required',
      }),
    ]);
    expect(diffTools({}, { inputs: more }).changes).toMatchObject([{ kind: 'input-narrowed', message: 'x is gone' }]);
  });

  it('is compared through references, cycles and renamed definitions included', () => {
    const tree = (name: string, leaf: JsonSchema): Partial<AuthoredTool> => ({
      inputs: {
        type: 'object',
        properties: { root: { $ref: `#/$defs/${name}` } },
        $defs: { [name]: { type: 'object', properties: { next: { $ref: `#/$defs/${name}` }, leaf } } },
      },
    });
    expect(diffTools(tree('b', { type: 'string' }), tree('a', { type: 'string' })).changes).toEqual([]);
    expect(diffTools(tree('b', { type: 'integer' }), tree('a', { type: 'number' })).changes).toMatchObject([
      { kind: 'input-narrowed', pointer: '/inputs/properties/root/properties/leaf/type' },
    ]);
  });

  it('that takes less than before is never told to be the same or wider alone', () => {
    const compiler = createSchemaCompiler();
    const values = ['', 'a', 'abc', 0, 1, 5.5, true, null, [], ['a'], {}, { a: 1 }, { a: 'x', b: 2 }];
    const schema = fc.record(
      {
        type: fc.constantFrom('string', 'integer', 'number', 'object', 'array'),
        enum: fc.constantFrom(['a', 1], ['a'], [null, 'abc']),
        maxLength: fc.nat(3),
        minimum: fc.nat(3),
        required: fc.constantFrom(['a'], ['b']),
        properties: fc.constantFrom({ a: { type: 'integer' } }, { a: {}, b: { type: 'string' } }),
        additionalProperties: fc.boolean(),
        not: fc.constantFrom({ type: 'null' }, { const: 'a' }),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(schema, schema, (before, after) => {
        const [old, fresh] = [compiler.compile({ ...before }), compiler.compile({ ...after })];
        const takesLess = values.some((value) => old(value) === undefined && fresh(value) !== undefined);
        if (takesLess) expect(diffTools(input({ ...after }), input({ ...before })).owed).toBe('major');
      }),
      { numRuns: 300 },
    );
  });
});

describe('an answer', () => {
  const outputs = (schema: JsonSchema): Partial<AuthoredTool> => ({ outputs: schema });

  it.each<[string, JsonSchema, JsonSchema, string]>([
    ['a member more', { properties: {} }, { properties: { a: {} } }, 'minor'],
    ['a member less', { properties: { a: {} } }, { properties: {} }, 'major'],
    ['a member that may be absent now', { properties: { a: {} }, required: ['a'] }, { properties: { a: {} } }, 'major'],
    [
      'a member that is always there now',
      { properties: { a: {} } },
      { properties: { a: {} }, required: ['a'] },
      'minor',
    ],
    ['a member that may be null now', { type: 'string' }, { type: ['string', 'null'] }, 'major'],
    ['a closer bound', { maximum: 9 }, { maximum: 8 }, 'minor'],
  ])('with %s owes what callers rely on', (_name, before, after, step) => {
    expect(diffTools(outputs(after), outputs(before)).owed).toBe(step);
  });
});

describe('the version', () => {
  it.each([
    ['1.0.0', '1.0.0', 'none', false],
    ['1.0.0', '1.0.1', 'patch', false],
    ['1.0.0', '1.1.0', 'minor', true],
    ['1.0.0', '2.0.0', 'major', true],
    ['1.2.0', '1.1.9', 'backward', false],
    ['1.0', '1.1', 'minor', true],
    ['2024-01', '2024-02', 'unknown', false],
  ])('that goes from %s to %s takes a step %s for a new tool', (before, after, stated, matches) => {
    const diff = diffManuals(manualOf(before, tool), manualOf(after, tool, { ...tool, name: 'b' }));
    expect(diff).toMatchObject({ owed: 'minor', stated, matches });
  });

  it('below 1.0.0 may break with a minor step', () => {
    expect(diffManuals(manualOf('0.3.0', tool), manualOf('0.4.0'))).toMatchObject({ owed: 'major', matches: true });
    expect(diffManuals(manualOf('0.3.0', tool), manualOf('0.3.1'))).toMatchObject({ owed: 'major', matches: false });
  });

  it('that goes back never matches, even where nothing else changed', () => {
    expect(diffManuals(manualOf('1.1.0', tool), manualOf('1.0.0', tool))).toMatchObject({
      owed: 'none',
      matches: false,
    });
  });
});
