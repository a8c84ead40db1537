import { describe, expect, it } from 'vitest';
import { createSchemaCompiler } from '../../../src/schema/index.js';
import { answering, importOperation } from './document.js';

const compiler = createSchemaCompiler();

async function translateOutput(schema: unknown, schemas: Record<string, unknown> = {}, rest = {}) {
  const { tool, findings } = await importOperation(answering(schema), { components: { schemas }, ...rest });
  return { outputs: tool.outputs ?? {}, findings };
}

async function translateInput(schema: unknown, schemas: Record<string, unknown> = {}) {
  const requestBody = { content: { 'application/json': { schema } } };
  const { tool, findings } = await importOperation(
    { requestBody, responses: {} },
    { method: 'post', components: { schemas } },
  );
  return { inputs: tool.inputs, body: Object(tool.inputs.properties).body, findings };
}

describe('an OpenAPI schema', () => {
  it.each([
    ['nullable', { type: 'string', nullable: true }, { type: ['string', 'null'] }],
    [
      'nullable with choices',
      { type: 'string', nullable: true, enum: ['a'] },
      { type: ['string', 'null'], anyOf: [{ enum: ['a'] }, { type: 'null' }] },
    ],
    [
      'nullable alternatives',
      { nullable: true, description: 'd', anyOf: [{ type: 'string' }] },
      { description: 'd', anyOf: [{ anyOf: [{ type: 'string' }] }, { type: 'null' }] },
    ],
    [
      'exclusive bounds',
      { type: 'integer', minimum: 0, exclusiveMinimum: true },
      { type: 'integer', exclusiveMinimum: 0 },
    ],
    [
      'own keywords',
      { type: 'object', discriminator: { propertyName: 'x' }, xml: {}, 'x-y': 1, externalDocs: {} },
      { type: 'object' },
    ],
    ['a file', { type: 'file' }, { type: 'string' }],
    ['any type', { type: 'any' }, {}],
    ['boolean subschemas', { properties: { a: true } }, { properties: { a: {} } }],
    [
      'a boolean required',
      { properties: { a: { type: 'string', required: true } } },
      { properties: { a: { type: 'string' } }, required: ['a'] },
    ],
    [
      'identities',
      { $id: 'x', $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'string' },
      { type: 'string' },
    ],
    [
      'a property named nullable',
      { properties: { nullable: { type: 'string' }, example: {} } },
      { properties: { nullable: { type: 'string' }, example: {} } },
    ],
  ])('with %s is said in JSON Schema', async (_name, schema, expected) => {
    const { outputs } = await translateOutput({ properties: { value: schema } });
    expect(Object(outputs.properties).value).toEqual(expected);
  });

  it('keeps the sanitizers of an input, also of a shared one', async () => {
    const shared = { Name: { type: 'string', 'x-sanitize': ['trim'] } };
    const name = { $ref: '#/components/schemas/Name' };
    const { body } = await translateInput({ type: 'object', properties: { a: name, b: name } }, shared);
    expect(JSON.stringify(body)).toContain('"x-sanitize":["trim"]');
  });

  it('shows its example to those who call, and not with every answer', async () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string', example: 'x' }, b: { type: 'string', example: 'y'.repeat(999) } },
    };
    expect((await translateInput(schema)).body.properties).toEqual({
      a: { type: 'string', examples: ['x'] },
      b: { type: 'string' },
    });
    expect((await translateOutput(schema)).outputs.properties).toEqual({
      a: { type: 'string' },
      b: { type: 'string' },
    });
  });

  it('keeps what stands beside a reference: a description in every version, nullable too', async () => {
    const { outputs } = await translateOutput(
      { properties: { a: { $ref: '#/components/schemas/text', description: 'mine', nullable: true } } },
      { text: { type: 'string', description: 'theirs' } },
    );
    expect(outputs.properties).toEqual({ a: { type: ['string', 'null'], description: 'mine' } });
  });

  it('of OpenAPI 3.1 stays what it is', async () => {
    const schema = { type: ['string', 'null'], const: 'a', prefixItems: [{ type: 'string' }] };
    const { outputs } = await translateOutput({ properties: { a: schema } }, {}, { openapi: '3.1.0' });
    expect(outputs.properties).toEqual({ a: schema });
  });

  it('whose reference leads nowhere takes anything there, and the operation says so', async () => {
    const { outputs, findings } = await translateOutput({ properties: { a: { $ref: '#/components/schemas/none' } } });
    expect(outputs.properties).toEqual({ a: {} });
    expect(findings).toEqual([expect.objectContaining({ rule: 'openapi-operation-partial' })]);
  });

  it('whose pattern could hang the process loses it, and this is told', async () => {
    const { body, findings } = await translateInput({ type: 'string', pattern: '^(?=a)\\1$' });
    expect(body).not.toHaveProperty('pattern');
    expect(findings).toEqual([expect.objectContaining({ rule: 'openapi-pattern' })]);
  });
});

describe('components', () => {
  const long = 'x'.repeat(250);
  const node = {
    type: 'object',
    description: long,
    properties: { name: { type: 'string' }, next: { $ref: '#/components/schemas/node' } },
    required: ['name'],
  };

  it('that contain themselves stand in $defs, and judge as deep as the value goes', async () => {
    const { inputs } = await translateInput({ $ref: '#/components/schemas/node' }, { node });
    expect(Object.keys(Object(inputs.$defs))).toEqual(['node']);
    const validate = compiler.compile(inputs);
    const good = { body: { name: 'a', next: { name: 'b', next: { name: 'c' } } } };
    expect(validate(good)).toBeUndefined();
    expect(validate({ body: { name: 'a', next: { name: 'b', next: { name: 7 } } } })).toBeDefined();
  });

  it('that contain each other stand in $defs of what a tool answers too', async () => {
    const schemas = {
      a: { type: 'object', properties: { b: { $ref: '#/components/schemas/b' } } },
      b: { type: 'object', required: ['a'], properties: { a: { $ref: '#/components/schemas/a' } } },
    };
    const { outputs } = await translateOutput({ $ref: '#/components/schemas/a' }, schemas);
    expect(compiler.check(outputs)).toBeUndefined();
    const validate = compiler.compile(outputs);
    expect(validate({ b: { a: { b: { a: {} } } } })).toBeUndefined();
    expect(validate({ b: { a: { b: {} } } })).toBeDefined();
  });

  it('that a tool takes once are written in place', async () => {
    const { inputs } = await translateInput(
      { type: 'object', properties: { a: { $ref: '#/components/schemas/once' } } },
      { once: { type: 'string', description: long } },
    );
    expect(inputs).not.toHaveProperty('$defs');
  });

  it('that a tool takes twice are written once', async () => {
    const ref = { $ref: '#/components/schemas/twice' };
    const { inputs, body } = await translateInput(
      { type: 'object', properties: { a: ref, b: ref } },
      { twice: { type: 'string', description: long } },
    );
    expect(inputs.$defs).toEqual({ twice: { type: 'string', description: long } });
    expect(body.properties.a).toEqual({ $ref: '#/$defs/twice' });
  });

  it('that all reach each other are cut at a bound instead of growing without end', async () => {
    const schemas = Object.fromEntries(
      Array.from({ length: 1000 }, (_, index) => [
        `s${index}`,
        {
          type: 'object',
          description: long,
          properties: Object.fromEntries(
            Array.from({ length: 10 }, (_x, other) => [
              `p${other}`,
              { $ref: `#/components/schemas/s${(index * 10 + other) % 1000}` },
            ]),
          ),
        },
      ]),
    );
    const { outputs, findings } = await translateOutput({ $ref: '#/components/schemas/s0' }, schemas);
    expect(JSON.stringify(outputs).length).toBeLessThan(150_000);
    expect(compiler.check(outputs)).toBeUndefined();
    expect(findings).toEqual([expect.objectContaining({ rule: 'openapi-schema-cut' })]);
  });
});
