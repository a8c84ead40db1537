import fastify, { type FastifyInstance } from 'fastify';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineTool, GatehouseError, type GatehouseSettings, gatehouse } from '../../src/index.js';
import { connectOfficial } from '../support/official-client.js';
import { bearer, keyEntry } from '../support/server.js';
import { MemorySink } from '../support/sink.js';

const key = 'alice-key';
const scopes = ['tools:read', 'tools:execute'];
const config: GatehouseSettings = {
  policy: { roles: { user: { discover: ['*'], call: ['*'], deny: ['office.hidden'] } } },
  callers: [
    { id: 'alice', roles: ['user'], api_keys: { current: keyEntry(key) } },
    { id: 'robot', roles: ['user'], oauth_client: { client_id: 'robot', secret_sha256: keyEntry('s').sha256, scopes } },
  ],
  limits: { per_caller: {}, per_tool: { 'office.few': { per_minute: 1 } } },
};
const nothing = z.object({});
const base = { manual: 'office', description: 'A tool.', inputs: nothing };
const greet = defineTool({
  ...base,
  name: 'greet',
  inputs: z.object({ name: z.string().min(1), mark: z.string().default('.') }),
  outputs: z.object({ greeting: z.string() }),
  read_only: true,
  log_arguments: ['name'],
  handler: ({ name, mark }, { caller }) => ({ greeting: `${caller.id} greets ${name}${mark}` }),
});
const add = defineTool({
  ...base,
  name: 'add',
  inputs: z
    .object({ terms: z.array(z.number()).max(10), at: z.object({ zone: z.string() }).optional() })
    .refine(({ terms }) => terms.length !== 3, { path: ['terms'], error: 'must not be three' }),
  outputs: z.number(),
  handler: async ({ terms }) => terms.reduce((sum, term) => sum + term, 0),
});
const secret = 'postgres://admin:hunter2@10.0.0.1/db';
const row = { id: '1', password_hash: secret };
const tools = [
  greet,
  add,
  defineTool({ ...base, name: 'hidden', handler: () => 1 }),
  defineTool({ ...base, name: 'few', handler: () => 1 }),
  defineTool({ ...base, name: 'scoped', required_scopes: ['office:admin'], handler: () => 1 }),
  defineTool({ ...base, name: 'empty', handler: () => undefined }),
  defineTool({ ...base, name: 'throws', handler: () => Promise.reject(new Error(secret)) }),
  defineTool({
    ...base,
    name: 'throws_at_once',
    handler: () => {
      throw new TypeError(secret);
    },
  }),
  defineTool({
    ...base,
    name: 'pretends',
    handler: () => {
      throw new GatehouseError('unauthenticated');
    },
  }),
  defineTool({
    ...base,
    name: 'refuses',
    handler: () => {
      throw new GatehouseError('upstream_unavailable', { detail: 'The office is closed.', retry_after: 60 });
    },
  }),
  defineTool({ ...base, name: 'cyclic', handler: () => 10n }),
  defineTool({ ...base, name: 'leaks', outputs: z.object({ id: z.string() }), handler: () => row }),
  defineTool({ ...base, name: 'odd', outputs: z.int().refine((n) => n % 2 === 1, 'must be odd'), handler: () => 2 }),
];

const sink = new MemorySink();
const reports: string[] = [];
let app: FastifyInstance;
let url: string;

beforeAll(async () => {
  app = fastify();
  app.get('/own', () => ({ own: true }));
  app.post('/own', ({ body }) => ({ body }));
  app.get('/own/fault', () => {
    throw new Error('the app’s own');
  });
  await app.register(gatehouse, {
    prefix: '/agents',
    config,
    tools,
    sink,
    report: (line: string) => void reports.push(line),
  });
  url = await app.listen({ port: 0 });
});
afterAll(() => app.close());
afterEach(() => {
  sink.events.length = 0;
  reports.length = 0;
});

function call(tool: string, body: object = {}, token = key) {
  return request(url).post(`/agents/tools/office/${tool}`).set(bearer(token)).send(body);
}

async function fetchToken(): Promise<string> {
  const answer = await request(url)
    .post('/agents/oauth/token')
    .type('form')
    .send({ grant_type: 'client_credentials', client_id: 'robot', client_secret: 's' });
  return answer.body.access_token;
}

describe('a local tool', () => {
  it('is called by the official client, with defaults that its handler sees filled in', async () => {
    const client = await connectOfficial(`${url}/agents`, { bearer: key });
    expect(client.errors).toEqual([]);
    expect(await client.call('greet', { name: 'Bob' })).toEqual({ greeting: 'alice greets Bob.' });
    expect(await client.call('add', { body: { terms: [1, 2.5] } })).toBe(3.5);
  });

  it('is not there for a stranger', async () => {
    await request(url).post('/agents/tools/office/add').send({ terms: [] }).expect(401);
    await request(url).get('/agents/utcp').expect(401);
  });

  it('that the policy hides is answered as one that does not exist', async () => {
    const [hidden, absent] = [await call('hidden').expect(404), await call('absent').expect(404)];
    const without = ({ request_id, ...rest }: Record<string, unknown>) => rest;
    expect(without(hidden.body)).toEqual(without(absent.body));
  });

  it('is refused to a token without its scope', async () => {
    const token = await fetchToken();
    const { body } = await call('scoped', {}, token).expect(403);
    expect(body).toMatchObject({ code: 'insufficient_scope', required_scope: 'office:admin' });
    await call('scoped').expect(200);
  });

  it('is limited as any other', async () => {
    await call('few').expect(200);
    await call('few').expect(429).expect('retry-after', /\d+/);
  });

  it.each([
    ['an argument of another type, which is not coerced', { terms: ['1'] }, '/terms/0'],
    ['an argument that is not declared, which is not stripped', { terms: [], extra: 1 }, '/extra'],
    ['one deep in another', { terms: [], at: { zone: 'UTC', extra: 1 } }, '/at/extra'],
    ['what zod alone can say', { terms: [1, 2, 3] }, '/terms'],
  ])('refuses %s, by JSON pointer', async (_what, args, pointer) => {
    const { body } = await call('add', args)
      .expect(400)
      .expect('content-type', /problem\+json/);
    expect(body).toMatchObject({ code: 'invalid_input', errors: [{ pointer }] });
    expect(sink.of('input.rejected')).toMatchObject([{ tool: 'office.add', caller: 'alice', pointers: [pointer] }]);
  });

  it.each(['throws', 'throws_at_once', 'pretends', 'cyclic'])(
    '%s: its caller learns nothing, the operator all',
    async (tool) => {
      const { text, body } = await call(tool).expect(502);
      expect(body).toMatchObject({ code: 'upstream_failed' });
      expect(text).not.toMatch(/hunter2|postgres|Error|BigInt/);
      expect(JSON.stringify(sink.events)).not.toContain('hunter2');
      expect(sink.of('tool.call')).toMatchObject([{ outcome: 'failure', reason: 'handler_failed' }]);
      expect(reports).toEqual([expect.stringContaining(`office.${tool} failed in request ${body.request_id}`)]);
    },
  );

  it('refuses in words of its own where it throws a GatehouseError', async () => {
    const { body } = await call('refuses').expect(503).expect('retry-after', '60');
    expect(body).toMatchObject({ code: 'upstream_unavailable', detail: 'The office is closed.' });
    expect(reports).toEqual([]);
  });

  it.each([
    ['leaks', '/password_hash is not a known property'],
    ['odd', 'must be odd'],
  ])('%s: a result outside its outputs is answered 502 and told to the operator', async (tool, problem) => {
    const { text, body } = await call(tool).expect(502);
    expect(body).toMatchObject({ code: 'upstream_invalid' });
    expect(text).not.toContain(problem);
    expect(reports).toEqual([expect.stringContaining(problem)]);
  });

  it('that gives nothing answers null', async () => {
    expect((await call('empty').expect(200)).text).toBe('null');
  });

  it('leaves one event a call, with the arguments that it opts in', async () => {
    await request(url).get('/agents/tools/office/greet?name=Bob&mark=!').set(bearer(key)).expect(200);
    expect(sink.of('tool.call')).toMatchObject([
      { tool: 'office.greet', caller: 'alice', outcome: 'success', status: 200, arguments: { name: 'Bob' } },
    ]);
    expect(sink.of('tool.call')[0]).toHaveProperty('manual_digest');
  });
});

describe('the app around it', () => {
  it('keeps its own routes, parsers and error handling', async () => {
    expect((await request(url).get('/own').expect(200)).body).toEqual({ own: true });
    expect((await request(url).post('/own').send({ a: 1 })).body).toEqual({ body: { a: 1 } });
    const fault = await request(url).get('/own/fault').expect(500);
    expect(fault.body).toMatchObject({ message: 'the app’s own' });
    expect(fault.headers).not.toHaveProperty('content-security-policy');
    expect((await request(url).get('/elsewhere').expect(404)).body).toMatchObject({ error: 'Not Found' });
    expect(sink.events).toEqual([]);
  });

  it('leaves paths under the prefix to the plugin', async () => {
    const { body } = await request(url).get('/agents/elsewhere').expect(404);
    expect(body).toMatchObject({ type: 'urn:utcp-gatehouse:problem:not_found' });
  });
});
