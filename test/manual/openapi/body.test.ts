import { describe, expect, it } from 'vitest';
import { answering, importDocument, importOperation } from './document.js';

const schema = { type: 'object', properties: { name: { type: 'string' } } };

function taking(content: Record<string, unknown>, required = true) {
  return { requestBody: { required, description: 'The thing.', content }, responses: {} };
}

describe('a body', () => {
  it('of JSON is the argument body', async () => {
    const media = { schema, example: { name: 'x' } };
    const { tool } = await importOperation(taking({ 'application/json': media }), { method: 'post' });
    expect(tool.inputs).toMatchObject({
      properties: { body: { ...schema, description: 'The thing.', examples: [{ name: 'x' }] } },
      required: ['body'],
    });
    expect(tool.tool_call_template).toMatchObject({
      http_method: 'POST',
      content_type: 'application/json',
      body_field: 'body',
    });
  });

  it.each([
    ['application/merge-patch+json', 'application/merge-patch+json'],
    ['application/json; charset=utf-8', 'application/json'],
    ['*/*', 'application/json'],
    ['application/x-www-form-urlencoded', 'application/x-www-form-urlencoded'],
  ])('of %s is sent as %s', async (type, sent) => {
    const { tool, report } = await importOperation(taking({ [type]: { schema } }), { method: 'put' });
    expect(tool.tool_call_template.content_type).toBe(sent);
    expect(tool.inputs).toMatchObject({ properties: { body: schema } });
    expect(report.status).toBe('carried');
  });

  it('prefers JSON to a form, and a form to a text', async () => {
    const types = ['text/plain', 'multipart/form-data', 'application/x-www-form-urlencoded', 'application/json'];
    for (const [index, expected] of [
      [3, types[2]],
      [4, types[3]],
    ] as const) {
      const content = Object.fromEntries(types.slice(0, index).map((type) => [type, { schema }]));
      const { tool } = await importOperation(taking(content), { method: 'post' });
      expect(tool.tool_call_template.content_type).toBe(expected);
    }
  });

  it('of text is a text', async () => {
    const { tool, report } = await importOperation(taking({ 'text/markdown': {} }), { method: 'post' });
    expect(tool.inputs).toMatchObject({ properties: { body: { type: 'string' } } });
    expect(tool.tool_call_template.content_type).toBe('text/markdown');
    expect(report.status).toBe('carried');
  });

  it('of bytes is carried as text, which is reported', async () => {
    const { report } = await importOperation(taking({ 'image/png': {} }), { method: 'post' });
    expect(report).toMatchObject({ status: 'partly', problems: [expect.stringContaining('image/png')] });
  });

  it('of multipart is reported: the tool does without it, or is none where it is required', async () => {
    const content = { 'multipart/form-data': { schema } };
    const { tool, report, findings } = await importOperation(taking(content, false), { method: 'post' });
    expect(tool.inputs.properties).toEqual({});
    expect(report.status).toBe('partly');
    expect(findings[0]).toMatchObject({ rule: 'openapi-operation-partial', pointer: '/paths/~1things/post' });
    const { operations, manual } = await importDocument({
      paths: { '/a': { post: taking(content) }, '/b': { get: { responses: {} } } },
    });
    expect(manual.tools).toHaveLength(1);
    expect(operations[0]).toMatchObject({
      status: 'left_out',
      problems: ['a body of multipart/form-data is not carried'],
    });
  });

  it('of a GET is reported', async () => {
    const { report } = await importOperation(taking({ 'application/json': { schema } }, false));
    expect(report.problems).toEqual(['the body of a GET is not carried']);
  });

  it('gives way to a parameter of its name', async () => {
    const parameters = [{ name: 'body', in: 'path', required: true, schema: { type: 'string' } }];
    const operation = { ...taking({ 'application/json': { schema } }), parameters };
    const { tool } = await importOperation(operation, { method: 'post', path: '/x/{body}' });
    expect(tool.tool_call_template.body_field).toBe('body');
    expect(tool.tool_call_template.url).toBe('https://api.example/x/{body_path}');
  });

  it('leaves out what only answers have', async () => {
    const thing = {
      type: 'object',
      required: ['id', 'name', 'secret'],
      properties: { id: { type: 'integer', readOnly: true }, name: {}, secret: { type: 'string', writeOnly: true } },
    };
    const ref = { $ref: '#/components/schemas/thing' };
    const composed = { allOf: [ref, { type: 'object', required: ['id', 'extra'] }] };
    const operation = { ...taking({ 'application/json': { schema: composed } }), ...answering(ref) };
    const { tool } = await importOperation(operation, { method: 'post', components: { schemas: { thing } } });
    expect(Object(tool.inputs.properties).body.allOf).toEqual([
      { type: 'object', required: ['name', 'secret'], properties: { name: {}, secret: { type: 'string' } } },
      { type: 'object', required: ['extra'] },
    ]);
    expect(tool.outputs).toEqual({
      type: 'object',
      required: ['id', 'name'],
      properties: { id: { type: 'integer' }, name: {} },
    });
  });
});

describe('a body of OpenAPI 2', () => {
  const importOf2 = async (operation: Record<string, unknown>, consumes?: readonly string[]) => {
    const paths = { '/a': { post: { responses: {}, ...operation } }, '/b': { get: { responses: {} } } };
    const { manual, operations } = await importDocument({ swagger: '2.0', host: 'api.example', consumes, paths });
    return { tool: manual.tools[0], report: operations[0] };
  };

  it('is the body parameter', async () => {
    const { tool } = await importOf2({ parameters: [{ name: 'thing', in: 'body', required: true, schema }] });
    expect(tool).toMatchObject({
      inputs: { properties: { body: schema }, required: ['body'] },
      tool_call_template: { body_field: 'body', content_type: 'application/json' },
    });
  });

  it('is put together from form fields', async () => {
    const field = { name: 'a', in: 'formData', type: 'string', required: true, maxLength: 5 };
    const { tool } = await importOf2({ parameters: [field] });
    expect(tool).toMatchObject({
      inputs: { properties: { body: { properties: { a: { type: 'string', maxLength: 5 } }, required: ['a'] } } },
      tool_call_template: { content_type: 'application/x-www-form-urlencoded' },
    });
  });

  it('with a file is left out and reported', async () => {
    const { report } = await importOf2({ parameters: [{ name: 'f', in: 'formData', type: 'file', required: true }] });
    expect(report).toMatchObject({ status: 'left_out', tool: undefined });
  });

  it('that is XML alone is a text', async () => {
    const { tool } = await importOf2({ parameters: [{ name: 'x', in: 'body', schema }] }, ['application/xml']);
    expect(tool).toMatchObject({
      inputs: { properties: { body: { type: 'string' } } },
      tool_call_template: { content_type: 'application/xml' },
    });
  });
});

describe('answers', () => {
  const json = (of: unknown) => ({ content: { 'application/json': { schema: of } } });

  it.each([
    ['one good answer', { 200: json(schema), 404: json({ type: 'integer' }) }, schema],
    [
      'several good ones',
      { 200: json({ type: 'string' }), 202: json({ type: 'integer' }) },
      { anyOf: [{ type: 'string' }, { type: 'integer' }] },
    ],
    [
      'an empty one beside another',
      { 200: json({ type: 'string' }), 204: {} },
      { anyOf: [{ type: 'string' }, { type: 'null' }] },
    ],
    ['two that are alike', { 200: json({ type: 'string' }), 201: json({ type: 'string' }) }, { type: 'string' }],
    ['a range', { '2XX': json({ type: 'string' }) }, { type: 'string' }],
    ['the default alone', { default: json({ type: 'string' }) }, { type: 'string' }],
    ['text', { 200: { content: { 'text/plain': {} } } }, { type: 'string' }],
    ['nothing', { 204: {} }, undefined],
    ['bytes', { 200: { content: { 'image/png': {} } } }, undefined],
    ['JSON of any kind', { 200: json({}), 201: json({ type: 'string' }) }, undefined],
  ])('of %s become outputs', async (_name, responses, outputs) => {
    const { tool } = await importOperation({ responses });
    expect(tool.outputs).toEqual(outputs);
  });

  it('that may be one of several are not held to exactly one', async () => {
    const { tool } = await importOperation({
      responses: { 200: json({ oneOf: [{ type: 'number' }, { type: 'integer' }] }) },
    });
    expect(tool.outputs).toEqual({ anyOf: [{ type: 'number' }, { type: 'integer' }] });
  });
});
