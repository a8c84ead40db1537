import fastify from 'fastify';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { defineTool, type GatehouseSettings, gatehouse, LoadError, type LocalTool } from '../../src/index.js';
import { createSchemaCompiler } from '../../src/schema/index.js';
import { connectOfficial } from '../support/official-client.js';
import { bearer, keyEntry } from '../support/server.js';
import { MemorySink } from '../support/sink.js';

const key = 'alice-key';
const config: GatehouseSettings = {
  policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
  callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry(key) } }],
};
const base = { manual: 'office', name: 'tool', description: 'A tool.' };
const nothing = z.object({});
const branch = z.object({
  name: z.string(),
  get children() {
    return z.array(branch).max(10);
  },
});

/** One of every kind that JSON Schema can say. */
const everything = z.object({
  text: z
    .string()
    .min(1)
    .max(10)
    .regex(/^[a-z]+$/),
  mail: z.email(),
  id: z.uuid().optional(),
  day: z.iso.date().optional(),
  count: z.int().positive(),
  ratio: z.number().gt(0).lte(1).multipleOf(0.25),
  yes: z.boolean(),
  nothing: z.null(),
  never: z.never().optional(),
  nullable: z.string().nullable(),
  literal: z.literal(['a', 1, null]),
  kind: z.enum(['x', 'y']).default('x'),
  list: z.array(z.string()).min(1),
  pair: z.tuple([z.string(), z.number()]),
  map: z.record(z.string(), z.int()),
  either: z.union([z.string(), z.object({ a: z.string() })]),
  shape: z.discriminatedUnion('type', [
    z.object({ type: z.literal('circle'), r: z.number() }),
    z.object({ type: z.literal('square'), side: z.number() }),
  ]),
  open: z.looseObject({ a: z.string() }),
  tree: branch,
  trimmed: z.string().transform((text) => text.trim()),
  any: z.unknown(),
});
const example = {
  text: 'abc',
  mail: 'a@example.org',
  count: 1,
  ratio: 0.5,
  yes: true,
  nothing: null,
  nullable: null,
  literal: 1,
  list: ['a'],
  pair: ['a', 1],
  map: { a: 1 },
  either: { a: 'b' },
  shape: { type: 'circle', r: 1 },
  open: { a: 'b', c: 1 },
  tree: { name: 'root', children: [{ name: 'leaf', children: [] }] },
  trimmed: ' a ',
  any: { x: [1] },
};

async function listen(...tools: readonly LocalTool[]): Promise<string> {
  const app = fastify();
  onTestFinished(() => app.close());
  await app.register(gatehouse, { config, tools, sink: new MemorySink(), report: () => undefined });
  return app.listen({ port: 0 });
}

function messageOf(define: () => unknown): string {
  try {
    define();
  } catch (error) {
    if (error instanceof LoadError) return error.message;
    throw error;
  }
  return '';
}

describe('defineTool', () => {
  it('publishes every kind of zod schema in a form that the official client takes, and calls', async () => {
    const seen: unknown[] = [];
    const tool = defineTool({ ...base, inputs: everything, handler: (args) => seen.push(args) });
    expect(createSchemaCompiler().check(tool.inputs)).toBeUndefined();
    const client = await connectOfficial(await listen(tool), { bearer: key });
    expect(client.errors).toEqual([]);
    await client.call('tool', { body: example });
    expect(seen).toEqual([{ ...example, kind: 'x', trimmed: 'a' }]);
  });

  it('publishes what a schema says to people, and nothing else that is noted beside it', () => {
    const note = { title: 'Name', description: 'Of a person.', examples: ['Bob'], owner: 'team-secret' };
    const inputs = z.object({ name: z.string().meta(note) }).meta({ reviewed: 'not-yet' });
    const tool = defineTool({ ...base, inputs, handler: () => 1 });
    const { owner: _owner, ...published } = note;
    expect(tool.inputs.properties).toEqual({ name: { type: 'string', ...published } });
    expect(tool.inputs).not.toHaveProperty('reviewed');
  });

  it('takes GET where it reads and its arguments are strings and numbers, else POST', async () => {
    const inputs = z.object({ q: z.string(), n: z.int().optional() });
    const url = await listen(
      defineTool({ ...base, name: 'reads', inputs, read_only: true, handler: ({ q, n }) => `${q} ${n}` }),
      defineTool({ ...base, name: 'writes', inputs, handler: ({ q }) => q }),
    );
    const { body } = await request(url).get('/utcp').set(bearer(key));
    const methods = body.tools.map((tool: { tool_call_template: { http_method: string } }) => {
      return tool.tool_call_template.http_method;
    });
    expect(methods).toEqual(['GET', 'POST']);
    await request(url).get('/tools/office/reads?q=a&n=7').set(bearer(key)).expect(200, '"a 7"');
    await request(url).get('/tools/office/writes?q=a').set(bearer(key)).expect(405);
  });

  it.each<[string, () => unknown, string]>([
    ['a name that no client takes', () => ({ name: 'get-book' }), '/office/get-book/name'],
    ['a manual that no client takes', () => ({ manual: '1st' }), '/1st/tool/manual'],
    ['no description', () => ({ description: '' }), 'must say what the tool does'],
    ['a time limit that is none', () => ({ timeout_ms: 0 }), '/office/tool/timeout_ms'],
    ['inputs that JSON has no type for', () => ({ inputs: z.object({ day: z.date() }) }), 'Date'],
    ['inputs that cannot be closed', () => ({ inputs: z.object({ a: z.intersection(nothing, nothing) }) }), 'extend'],
    ['outputs that JSON has no type for', () => ({ outputs: z.bigint() }), 'BigInt'],
    ['outputs that transform', () => ({ outputs: z.object({ a: z.string().transform(Number) }) }), 'ransform'],
    ['outputs that convert', () => ({ outputs: z.object({ a: z.string().pipe(z.coerce.number()) }) }), 'a transforms'],
    ['outputs that fill in', () => ({ outputs: z.object({ a: z.string().default('x') }) }), 'a fills a value in'],
    ['outputs that replace', () => ({ outputs: z.array(z.string().catch('x')) }), 'replaces a value'],
  ])('refuses %s at once', (_what, over, words) => {
    const definition = Object.assign({ ...base, inputs: nothing, handler: () => 1 }, over());
    expect(messageOf(() => defineTool(definition))).toContain(words);
  });

  it('tells all that is wrong with a definition in one go', () => {
    const wrong = { manual: 'a-b', name: 'c-d', description: '', inputs: z.object({ day: z.date() }) };
    expect(messageOf(() => defineTool({ ...wrong, handler: () => 1 })).split('\n')).toHaveLength(4);
  });

  it('a pattern that could hang the process keeps the app from starting', async () => {
    const inputs = z.object({ a: z.string().regex(/^(?=a)a+$/) });
    await expect(listen(defineTool({ ...base, inputs, handler: () => 1 }))).rejects.toThrow(/linear time/);
  });

  it('two tools of one name keep the app from starting', async () => {
    const tool = (manual: string) => defineTool({ ...base, manual, inputs: nothing, handler: () => 1 });
    await expect(listen(tool('one'), tool('two'))).rejects.toThrow(/Both one and two have a tool named tool/);
    await expect(listen(tool('one'), tool('one'))).rejects.toThrow(/tool named tool/);
  });
});

describe('a value outside its zod schema', () => {
  const app = fastify();
  beforeAll(async () => {
    const tools = [defineTool({ ...base, inputs: everything, handler: () => 1 })];
    await app.register(gatehouse, { config, tools, sink: new MemorySink(), report: () => undefined });
    await app.listen({ port: 0 });
  });
  afterAll(() => app.close());

  it.each([
    ['text', 'abcdefghijkl', '/text'],
    ['text', 'ABC', '/text'],
    ['mail', 'nobody', '/mail'],
    ['count', '1', '/count'],
    ['count', 1.5, '/count'],
    ['ratio', 0.3, '/ratio'],
    ['yes', 'true', '/yes'],
    ['literal', 2, '/literal'],
    ['list', [], '/list'],
    ['pair', ['a', 1, 2], '/pair'],
    ['map', { a: 'x' }, '/map/a'],
    ['shape', { type: 'circle', r: 1, side: 1 }, '/shape'],
    ['tree', { name: 'a', children: [{ name: 'b', children: [], extra: 1 }] }, '/tree/children/0/extra'],
  ])('refuses %s: %j, and says where', async (name, value, pointer) => {
    const { body } = await request(app.server)
      .post('/tools/office/tool')
      .set(bearer(key))
      .send({ ...example, [name]: value })
      .expect(400);
    const pointers = body.errors.map((error: { pointer: string }) => error.pointer);
    expect(pointers.some((one: string) => one.startsWith(pointer))).toBe(true);
  });
});
