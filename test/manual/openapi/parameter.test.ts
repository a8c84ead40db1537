import { describe, expect, it } from 'vitest';
import { importDocument, importOperation } from './document.js';

const text = { type: 'string' };
const list = { type: 'array', items: text };

function withParameters(...parameters: readonly Record<string, unknown>[]) {
  return { parameters, responses: {} };
}

describe('parameters', () => {
  it('of path, query and header become inputs at their places, and the path item lends its own', async () => {
    const { manual } = await importDocument({
      paths: {
        '/users/{id}': {
          parameters: [
            { name: 'id', in: 'path', required: true, schema: { type: 'integer' }, description: 'Who.' },
            { name: 'page', in: 'query', schema: text },
          ],
          get: {
            parameters: [
              { name: 'page', in: 'query', required: true, schema: { type: 'integer' } },
              { name: 'X-Trace', in: 'header', schema: text, example: 'abc' },
            ],
            responses: {},
          },
        },
      },
    });
    expect(manual.tools[0]).toMatchObject({
      inputs: {
        type: 'object',
        properties: {
          id: { type: 'integer', description: 'Who.' },
          page: { type: 'integer' },
          'X-Trace': { type: 'string', examples: ['abc'] },
        },
        required: ['page', 'id'],
        additionalProperties: false,
      },
      tool_call_template: { url: 'https://api.example/users/{id}', header_fields: ['X-Trace'] },
    });
  });

  it('whose path names no placeholder could have are spelt as one', async () => {
    const { tool } = await importOperation(withParameters({ name: 'user-id', in: 'path', schema: text }), {
      path: '/users/{user-id}',
    });
    expect(tool.inputs).toMatchObject({ properties: { user_id: text }, required: ['user_id'] });
    expect(tool.tool_call_template.url).toBe('https://api.example/users/{user_id}');
  });

  it('of one name at several places keep their places', async () => {
    const { tool } = await importOperation(
      withParameters(
        { name: 'id', in: 'path', schema: text },
        { name: 'id', in: 'query', schema: text },
        { name: 'id', in: 'header', schema: text },
        { name: 'id', in: 'cookie', schema: { type: 'integer' } },
      ),
      { path: '/x/{id}' },
    );
    expect(Object.keys(Object(tool.inputs.properties))).toEqual(['id', 'id_header', 'id_path', 'id_cookie']);
    expect(tool.tool_call_template).toMatchObject({
      url: 'https://api.example/x/{id_path}',
      headers: { id: '{id_header}', Cookie: 'id={id_cookie}' },
    });
  });

  it('named body stay in the query of what is no GET', async () => {
    const { tool } = await importOperation(withParameters({ name: 'body', in: 'query', schema: text }), {
      method: 'delete',
    });
    expect(tool.tool_call_template.url).toBe('https://api.example/things?body={body_query}');
    expect(tool.tool_call_template).not.toHaveProperty('body_field');
  });

  it('that the path uses and nobody declares are texts, and this is told', async () => {
    const { tool, rules } = await importOperation({ responses: {} }, { path: '/x/{a-b}' });
    expect(tool.inputs).toMatchObject({ properties: { a_b: text }, required: ['a_b'] });
    expect(rules).toEqual(['openapi-path-undeclared']);
  });

  it('that stand twice in a path are told, since official clients fill in one', async () => {
    const { rules } = await importOperation(withParameters({ name: 'a', in: 'path', schema: text }), {
      path: '/{a}/x/{a}',
    });
    expect(rules).toEqual(['openapi-path-repeated']);
  });

  it('have the label and matrix styles written into the URL', async () => {
    const { tool } = await importOperation(
      withParameters(
        { name: 'a', in: 'path', style: 'label', schema: text },
        { name: 'b', in: 'path', style: 'matrix', schema: text },
      ),
      { path: '/x{a}{b}' },
    );
    expect(tool.tool_call_template.url).toBe('https://api.example/x.{a};b={b}');
  });

  it('never start a variable of the official clients', async () => {
    const { tool } = await importOperation(withParameters({ name: '$top', in: 'query', schema: text }), {
      path: '/users/$count',
    });
    expect(tool.tool_call_template.url).toBe('https://api.example/users/%24count');
    expect(tool.inputs).toMatchObject({ properties: { $top: text } });
  });

  it.each(['Accept', 'Content-Type', 'Authorization', 'Host', 'Bad Name'])(
    'in the header %s are no inputs',
    async (name) => {
      const { tool, rules } = await importOperation(
        withParameters({ name, in: 'header', required: true, schema: text }),
      );
      expect(tool.inputs.properties).toEqual({});
      expect(rules).toEqual(['openapi-header-ignored']);
    },
  );

  it('with content instead of a schema are texts of its media type', async () => {
    const { tool } = await importOperation(
      withParameters({ name: 'filter', in: 'query', content: { 'application/json': { schema: {} } } }),
    );
    expect(tool.inputs.properties).toMatchObject({ filter: { type: 'string', contentMediaType: 'application/json' } });
  });
});

describe('lists', () => {
  it.each([
    ['form', undefined, true, undefined],
    ['form', false, false, ','],
    ['spaceDelimited', false, false, ' '],
    ['pipeDelimited', false, false, '|'],
    ['pipeDelimited', true, true, undefined],
  ])('in a query of style %s, explode %s: an array %s, separated by %j', async (style, explode, isArray, separator) => {
    const { tool } = await importOperation(withParameters({ name: 'a', in: 'query', style, explode, schema: list }));
    const schema = Object(tool.inputs.properties).a;
    expect(schema.type).toBe(isArray ? 'array' : 'string');
    if (separator !== undefined) expect(schema.description).toContain(JSON.stringify(separator));
  });

  it('in a path or header are one text, with the choices told', async () => {
    const schema = { type: 'array', minItems: 1, items: { type: 'string', enum: ['x', 'y'] } };
    const { tool } = await importOperation(
      withParameters(
        { name: 'p', in: 'path', schema, description: 'Which.' },
        { name: 'h', in: 'header', schema: list },
      ),
      { path: '/{p}' },
    );
    expect(tool.inputs.properties).toEqual({
      h: { type: 'string', description: 'Several values are separated by ",".' },
      p: {
        type: 'string',
        minLength: 1,
        description: 'Which. Several values are separated by ",". Each is one of x, y.',
      },
    });
  });

  it.each([
    ['multi', 'array'],
    ['csv', 'string'],
    [undefined, 'string'],
    ['pipes', 'string'],
  ])('of OpenAPI 2 in the collection format %s are of type %s', async (collectionFormat, type) => {
    const parameter = { name: 'a', in: 'query', type: 'array', items: text, collectionFormat };
    const { manual } = await importDocument({
      swagger: '2.0',
      host: 'api.example',
      paths: { '/a': { get: withParameters(parameter) } },
    });
    expect(Object(manual.tools[0]?.inputs.properties).a.type).toBe(type);
  });
});

describe('objects in a query', () => {
  const schema = {
    type: 'object',
    properties: { min: { type: 'integer' }, max: { type: 'integer' } },
    required: ['min'],
  };

  it('are spread over their members', async () => {
    const { tool } = await importOperation(withParameters({ name: 'range', in: 'query', required: true, schema }));
    expect(tool.inputs).toMatchObject({ properties: { min: { type: 'integer' }, max: {} }, required: ['min'] });
  });

  it('of style deepObject are spread over name[member]', async () => {
    const { tool } = await importOperation(
      withParameters({
        name: 'range',
        in: 'query',
        style: 'deepObject',
        schema: { $ref: '#/components/schemas/range' },
      }),
      { components: { schemas: { range: schema } } },
    );
    expect(Object.keys(Object(tool.inputs.properties))).toEqual(['range[min]', 'range[max]']);
    expect(tool.inputs).not.toHaveProperty('required');
  });

  it('that cannot be spread are reported, and end the operation where they are required', async () => {
    const free = { name: 'filter', in: 'query', schema: { type: 'object' } };
    const { report } = await importOperation(withParameters(free));
    expect(report).toMatchObject({ status: 'partly', problems: [expect.stringContaining('filter')] });
    await expect(importOperation(withParameters({ ...free, required: true }))).rejects.toThrow(/filter/);
  });
});

describe('cookies', () => {
  it('travel in one header, held to what a cookie value may be', async () => {
    const { tool } = await importOperation(
      withParameters(
        { name: 'a', in: 'cookie', required: true, schema: text },
        { name: 'b', in: 'cookie', required: true, schema: { type: 'integer' } },
      ),
    );
    expect(tool.tool_call_template.headers).toEqual({ Cookie: 'a={a}; b={b}' });
    const pattern = new RegExp(Object(tool.inputs.properties).a.pattern);
    expect(pattern.test('abc-123=')).toBe(true);
    for (const bad of ['a;b', 'a b', 'a,b', 'a"b', 'a\\b', 'é']) expect(pattern.test(bad)).toBe(false);
  });

  it('that are optional beside another are reported', async () => {
    const { report } = await importOperation(
      withParameters({ name: 'a', in: 'cookie', schema: text }, { name: 'b', in: 'cookie', schema: text }),
    );
    expect(report.problems).toEqual(['cookie b is not carried']);
  });
});
