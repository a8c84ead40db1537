import { request as openRequest } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEchoProtocols } from '../support/echo.js';
import { bearer, keyEntry, startServer, type TestServer } from '../support/server.js';

const scalarInputs = {
  type: 'object',
  properties: { q: { type: 'string' }, n: { type: 'integer' } },
  required: ['q'],
  additionalProperties: false,
};
const get = (url: string) => ({ call_template_type: 'http', http_method: 'GET', url });
const post = (url: string, over = {}) => ({ call_template_type: 'http', http_method: 'POST', url, ...over });
const tool = (name: string, inputs: object, template: object, over = {}) => ({
  name,
  description: name,
  inputs,
  tool_call_template: template,
  ...over,
});
const manual = {
  utcp_version: '1.1.0',
  manual_version: '2.3.4',
  tools: [
    tool('search', scalarInputs, get('https://up.example/search')),
    tool(
      'save',
      { type: 'object', properties: { items: { type: 'array' } }, required: ['items'] },
      post('https://up.example/'),
    ),
    tool(
      'put',
      { type: 'object', properties: { id: { type: 'string' }, item: { type: 'object' } }, required: ['id', 'item'] },
      post('https://up.example/{id}', { body_field: 'item' }),
    ),
    tool('hidden', scalarInputs, get('https://up.example/hidden')),
    tool('closed', scalarInputs, get('https://up.example/closed')),
    tool('fails', { type: 'object' }, get('https://fails.example/')),
    tool('breaks', { type: 'object' }, get('https://breaks.example/')),
    tool('hangs', { type: 'object' }, get('https://hangs.example/')),
    tool('typed', { type: 'object' }, get('https://up.example/typed'), {
      outputs: { type: 'object', properties: { ok: { const: true } }, required: ['ok'] },
    }),
    tool('trap', { type: 'object' }, get('https://up.example/trap')),
    tool('few', { type: 'object' }, get('https://up.example/few')),
  ],
};
const key = 'alice-key';
let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    config: {
      manuals: [{ name: 'm', source: 'm.yaml', tools: { trap: { honeypot: true }, search: { log_arguments: ['n'] } } }],
      policy: {
        roles: {
          user: {
            discover: ['*'],
            call: ['m.s*', 'm.p*', 'm.f*', 'm.b*', 'm.h*', 'm.t*'],
            deny: ['m.hidden'],
          },
        },
      },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry(key) } }],
      limits: {
        per_caller: {},
        per_tool: { 'm.few': { per_minute: 2 } },
        auth_failures_per_address: { per_minute: 5 },
      },
    },
    files: { 'm.yaml': manual },
    dependencies: { protocols: createEchoProtocols(), report: () => undefined },
  });
});
afterAll(() => server.close());

async function call(path: string, body?: unknown, init: RequestInit = {}) {
  const response = await fetch(`${server.url}/tools/m/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...bearer(key), 'content-type': 'application/json' },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...init,
  });
  const text = await response.text();
  const id = response.headers.get('x-request-id');
  return { response, status: response.status, json: JSON.parse(text), text, id, events: server.sink.about(id) };
}

function hangUpLater(tool: string, body: string) {
  const request = openRequest(`${server.url}/tools/m/${tool}`, { method: 'POST', headers: bearer(key) });
  request.on('error', () => undefined);
  request.end(body);
  return request;
}

describe('POST /tools/{manual}/{tool}', () => {
  it('200: hands the arguments to the upstream as they came: no coercion, nothing stripped, nothing filled in', async () => {
    const { status, json, response } = await call('save', { items: [1, null, true, 'é', { a: [] }], extra: null });
    expect(status).toBe(200);
    expect(json).toEqual({ items: [1, null, true, 'é', { a: [] }], extra: null });
    expect(response.headers.get('content-type')).toBe('application/json');
  });

  it.each(['plain', 'café', '棚', '📚', '\u2028'])(
    '200: hands back a text of any script whole, and its length: %s',
    async (q) => {
      const { response, text } = await call('save', { items: [q] });
      expect(text).toBe(JSON.stringify({ items: [q] }));
      expect(response.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    },
  );

  it('200: takes an empty body of any content type as no arguments', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'application/octet-stream']) {
      const { status } = await call('few', '', { headers: { ...bearer(key), 'content-type': type } });
      expect(status).toBe(200);
    }
  });

  it('400: refuses an argument of the wrong type instead of coercing it, by pointer', async () => {
    const { status, json, events } = await call('search', { q: 'x', n: '7', evil: 1 });
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: 'invalid_input', title: 'Invalid input', status: 400 });
    expect(json.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual(['/evil', '/n']);
    expect(events).toMatchObject([{ event: 'input.rejected', outcome: 'denied', caller: 'alice', tool: 'm.search' }]);
  });

  it.each([
    ['text', 'not json'],
    ['half an object', '{"q":'],
    ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
  ])('400: refuses a body that is not JSON (%s)', async (_name, body) => {
    const { status, json } = await call('search', '', { body });
    expect([status, json.code]).toEqual([400, 'malformed_body']);
  });

  it.each(['[1]', 'null', '"text"', '5'])('400: refuses a body that is JSON but no object (%s)', async (body) => {
    const { status, json } = await call('search', body);
    expect([status, json.code]).toEqual([400, 'invalid_input']);
  });

  it('413: refuses a body over the limit', async () => {
    const { status, json, events } = await call('search', { q: 'x'.repeat(1_100_000) });
    expect([status, json.code]).toEqual([413, 'body_too_large']);
    expect(events).toMatchObject([{ event: 'input.rejected', reason: 'body_too_large' }]);
  });

  it('404: answers unknown, invisible and honeypot tools byte for byte the same but for the request id', async () => {
    const texts: string[] = [];
    for (const path of ['nothing', 'hidden', 'trap']) {
      const { status, text, id, response } = await call(path, { q: 'x' });
      expect(status).toBe(404);
      const headers = [...response.headers].filter(([name]) => name !== 'date' && name !== 'x-request-id');
      texts.push(text.replace(id ?? '', '') + JSON.stringify(headers));
    }
    expect(new Set(texts).size).toBe(1);
  });

  it('404: calls a honeypot an event of the highest severity', async () => {
    const { events } = await call('trap', {});
    expect(events).toMatchObject([{ event: 'tool.denied', reason: 'honeypot', severity: 'critical', caller: 'alice' }]);
  });

  it('403: says of a visible tool that this caller may not call it', async () => {
    const { status, json, events } = await call('closed', { q: 'x' });
    expect([status, json.code]).toEqual([403, 'not_permitted']);
    expect(events).toMatchObject([{ event: 'tool.denied', outcome: 'denied', reason: 'no_grant' }]);
  });

  it('429: refuses what is over the limit of caller and tool, and says when to come back', async () => {
    await call('few', {});
    const { status, json, response, events } = await call('few', {});
    expect([status, json.code, json.title]).toEqual([429, 'rate_limited', 'Rate limit exceeded']);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(json.retry_after).toBe(Number(response.headers.get('retry-after')));
    expect(response.headers.get('ratelimit')).toMatch(/^"tool_per_minute";r=0;t=\d+$/);
    expect(response.headers.get('ratelimit-policy')).toBe('"tool_per_minute";q=2;w=60');
    expect(events).toMatchObject([{ event: 'limit.exceeded', limit: 'tool_per_minute', tool: 'm.few' }]);
  });

  it('502: says that the upstream failed and nothing of how', async () => {
    const { status, json, text, events } = await call('fails', {});
    expect([status, json.code]).toEqual([502, 'upstream_failed']);
    expect(text).not.toContain('secret');
    expect(events).toMatchObject([{ event: 'tool.call', outcome: 'failure', reason: 'upstream_failed', status: 502 }]);
  });

  it('502: refuses an answer outside the outputs schema', async () => {
    const { status, json } = await call('typed', { ok: false });
    expect([status, json.code]).toEqual([502, 'upstream_invalid']);
    expect((await call('typed', { ok: true })).status).toBe(200);
  });

  it('500: never shows a stack, a path or a message of a fault of its own', async () => {
    const { status, json, text, events } = await call('breaks', {});
    expect([status, json.code]).toEqual([500, 'internal']);
    expect(text).not.toMatch(/path|TypeError|\.ts/);
    expect(events).toMatchObject([{ event: 'tool.call', outcome: 'failure', reason: 'internal' }]);
  });

  it('leaves exactly one tool.call with its digests for a call, and only the opted-in arguments', async () => {
    const { events } = await call('search', { q: 'private', n: 3 });
    expect(events.filter(({ event }) => event !== 'auth.success')).toEqual([
      {
        event: 'tool.call',
        outcome: 'success',
        caller: 'alice',
        address: '127.0.0.1',
        request_id: expect.any(String),
        tool: 'm.search',
        duration_ms: expect.any(Number),
        manual_digest: server.server.gate.generation.catalog.digest,
        policy_digest: server.server.gate.generation.policy_digest,
        status: 200,
        arguments: { n: 3 },
      },
    ]);
  });

  it.each([
    ['sent no body', ''],
    ['has sent its body whole', '{"a":1}'],
  ])(
    'leaves exactly one tool.call for a caller that hangs up and %s, and cancels its upstream call',
    async (_, body) => {
      const before = server.sink.of('tool.call').length;
      const request = hangUpLater('hangs', body);
      await expect.poll(() => server.server.gate.calls.size).toBe(1);
      request.destroy();
      await expect.poll(() => server.sink.of('tool.call').length).toBe(before + 1);
      expect(server.server.gate.calls.size).toBe(0);
      await wait(100);
      expect(server.sink.of('tool.call').slice(before)).toMatchObject([
        { outcome: 'failure', reason: 'client_aborted' },
      ]);
    },
  );

  it('gives the places of callers that hang up back, whenever they do: 100 of them, and the next is served', async () => {
    for (let turn = 0; turn < 100; turn++) {
      const request = hangUpLater('hangs', '{"a":1}');
      await wait(turn % 5);
      request.destroy();
    }
    await expect.poll(() => [server.server.gate.active, server.server.gate.calls.size]).toEqual([0, 0]);
    expect((await call('put', { id: 'a', item: {} })).status).toBe(200);
  });
});

describe('the published forms', () => {
  it('reads a GET tool’s arguments from the query, by the types of its inputs', async () => {
    expect((await call('search?q=a%20b%26c&n=7')).json).toEqual({ q: 'a b&c', n: 7 });
    const refused = await call('search?q=x&n=seven');
    expect([refused.status, refused.json.errors[0].pointer]).toEqual([400, '/n']);
  });

  it('refuses a query parameter that comes twice for one value', async () => {
    expect((await call('search?q=a&q=b')).status).toBe(400);
  });

  it('takes a split tool’s body and query together', async () => {
    expect((await call('put/body?id=a%2Fb', { x: [true] })).json).toEqual({ id: 'a/b', item: { x: [true] } });
    expect((await call('put', { id: 'a', item: {} })).json).toEqual({ id: 'a', item: {} });
    expect((await call('search/body', {})).status).toBe(404);
  });

  it('405: a tool that is called by POST says so to a GET', async () => {
    const { status, response } = await call('save');
    expect([status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });
});

describe('credentials', () => {
  it('401: refuses no credential and a bad one, and says how to bring one', async () => {
    for (const headers of [{}, bearer('wrong')]) {
      const { status, response, events } = await call('search', { q: 'x' }, { headers });
      expect(status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect(events).toMatchObject([{ event: 'auth.failure', outcome: 'denied' }]);
    }
  });

  it('200: takes the key as X-API-Key too', async () => {
    expect((await call('search', { q: 'x' }, { headers: { 'x-api-key': key } })).status).toBe(200);
  });

  it('429: an address over its budget of failures is refused, while a good credential from it still passes', async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 8; index++) {
      statuses.push((await call('search', { q: 'x' }, { headers: bearer(`guess-${index}`) })).status);
    }
    expect(statuses.at(-1)).toBe(429);
    expect((await call('search', { q: 'x' })).status).toBe(200);
  });
});
