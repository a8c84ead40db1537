import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEchoProtocols } from '../../support/echo.js';
import { forgeToken } from '../../support/forge.js';
import { type RawRequest, sendRaw } from '../../support/raw-request.js';
import { keyEntry, startServer, type TestServer } from '../../support/server.js';

const secret = 'a shared secret of more than 32 octets';
const audience = 'https://tools.example';
const inputs = { type: 'object', properties: { q: { type: 'string' } }, required: ['q'], additionalProperties: false };
const tool = (name: string, over: object = {}) => ({
  name,
  description: name,
  inputs,
  tool_call_template: { call_template_type: 'http', http_method: 'GET', url: 'https://up.example/' },
  ...over,
});
const post = { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/{id}', body_field: 'q' };
const manualOf = (...tools: object[]) => ({ utcp_version: '1.1.0', manual_version: '1.0.0', tools });
// All names are of one length, as an honest comparison of bytes and times needs.
const hiddenTools = ['m/invisible', 'm/denied__x', 'm/failed__x', 'm/trap____x', 'm/split___x', 'x/direct__x'];
const unknownTools = ['m/unknown_x', 'y/unknown_x'];
let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    config: {
      server: { max_body_bytes: 2048, trust_proxy: ['127.0.0.1'] },
      manuals: [
        {
          name: 'm',
          source: 'm.yaml',
          tools: { trap____x: { honeypot: true }, scoped__x: { required_scopes: ['books:read'] } },
        },
        { name: 'x', source: 'x.yaml', expose: 'direct' },
      ],
      policy: {
        roles: {
          user: { discover: ['m.visible_*', 'm.scoped_*'], call: ['m.visible_*', 'm.scoped_*'] },
          all: { discover: ['m.denied_*', 'm.trap_*'], call: ['m.denied_*', 'm.trap_*'] },
          none: { deny: ['m.denied_*'] },
          conditional: { discover: ['m.failed_*'], call: ['m.failed_*'], when: 'in_network(address, "192.0.2.0/24")' },
        },
      },
      callers: [
        { id: 'alice', roles: ['user', 'all', 'none', 'conditional'], api_keys: { current: keyEntry('alice-key') } },
        { id: 'nobody', api_keys: { current: keyEntry('nobody-key') } },
        { id: 'spent', roles: ['user'], api_keys: { current: keyEntry('spent-key') } },
      ],
      auth: { jwt: [{ issuer: 'local', audience, secret_variable: 'UTCP_JWT_SECRET', algorithms: ['HS256'] }] },
      limits: {
        per_caller: { per_minute: 100_000 },
        per_tool: { 'm.visible_x': { per_minute: 3 }, 'm.invisible': { per_minute: 1 } },
        auth_failures_per_address: {},
      },
    },
    files: {
      'm.yaml': manualOf(
        ...['visible_x', 'scoped__x', 'invisible', 'denied__x', 'failed__x', 'trap____x'].map((name) => tool(name)),
        tool('split___x', {
          inputs: { type: 'object', properties: { id: { type: 'string' }, q: { type: 'object' } } },
          tool_call_template: post,
        }),
      ),
      'x.yaml': manualOf(tool('direct__x')),
    },
    environment: { UTCP_JWT_SECRET: secret },
    dependencies: { protocols: createEchoProtocols(), report: () => undefined },
  });
});
afterAll(() => server.close());

const key = (name: string) => `X-API-Key: ${name}`;
const token = (scope: string) => {
  const claims = { iss: 'local', aud: audience, sub: 'alice', scope, exp: Math.floor(Date.now() / 1000) + 300 };
  return `Authorization: Bearer ${forgeToken({ alg: 'HS256' }, claims, secret)}`;
};
const handshake = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const json = 'Content-Type: application/json';
const path = '/tools/{}';
const shapes: readonly [string, RawRequest][] = [
  ['a call', { method: 'POST', path, headers: [json], body: '{"q":"x"}' }],
  ['a call by query', { path: `${path}?q=x` }],
  ['a call of the split form', { method: 'POST', path: `${path}/body?id=1`, headers: [json], body: '{}' }],
  ['a websocket', { path: `${path}/ws`, headers: handshake }],
  ['a websocket from another origin', { path: `${path}/ws`, headers: [...handshake, 'Origin: https://evil.example'] }],
  ['a websocket on the call’s route', { path, headers: handshake }],
  ['the websocket’s route without a handshake', { path: `${path}/ws` }],
  ['another route below', { path: `${path}/schema` }],
  ...['HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PATCH', 'PROPFIND'].map((method): [string, RawRequest] => [
    method,
    { method, path },
  ]),
  ['another method by header', { path, headers: ['X-HTTP-Method-Override: DELETE'] }],
  ['a body that is not JSON', { method: 'POST', path, headers: [json], body: '{"q":' }],
  ['a body of another type', { method: 'POST', path, headers: ['Content-Type: text/html'], body: '<p>' }],
  ['arguments that do not fit', { method: 'POST', path, headers: [json], body: '{"evil":1}' }],
  ['no body', { method: 'POST', path }],
  ['a body over the limit', { method: 'POST', path, headers: [json], body: `"${'x'.repeat(5000)}"` }],
  ['a body that is said to be over the limit', { method: 'POST', path, headers: [json, 'Content-Length: 9000000'] }],
  ['a body in chunks', { method: 'POST', path, headers: ['Transfer-Encoding: chunked'], body: '2\r\n{}\r\n0\r\n\r\n' }],
  [
    'a body that waits to be asked for',
    { method: 'POST', path, headers: ['Expect: 100-continue', 'Content-Length: 2'] },
  ],
  ['a stream of events', { method: 'POST', path, headers: ['Accept: text/event-stream'], body: '{"q":"x"}' }],
  ['a stream of lines', { method: 'POST', path, headers: ['Accept: application/x-ndjson'], body: '{"q":"x"}' }],
  ['no answer that is taken', { path, headers: ['Accept: image/png'] }],
  ['a condition', { path, headers: ['If-None-Match: *', 'If-Match: "x"', 'Range: bytes=0-1'] }],
  ['a compressed answer', { path, headers: ['Accept-Encoding: gzip, br'] }],
  ['a name in escapes', { path: '/tools/%6D/{}' }],
  ['a path that climbs', { path: `${path}/../visible_x` }],
  ['an escaped climb', { path: `${path}%2f..%2fvisible_x` }],
  ['a parameter on the path', { path: `${path};v=1` }],
  ['a doubled slash', { path: `/tools//{}` }],
  ['a slash behind', { path: `${path}/` }],
  ['a NUL behind', { path: `${path}%00` }],
  ['an escape that is none', { path: `${path}%zz` }],
  ['capitals', { path: '/TOOLS/{}' }],
];

async function answersTo(shape: RawRequest, names: readonly string[], credential: string | undefined) {
  const headers = [...(shape.headers ?? []), ...(credential === undefined ? [] : [credential])];
  const answers: { name: string; status: number; text: string; id: string | undefined }[] = [];
  for (const name of names) {
    answers.push({ name, ...(await sendRaw(server.url, { ...shape, path: shape.path.replace('{}', name), headers })) });
  }
  return answers;
}
const spellings = (answers: readonly { text: string }[]) => [...new Set(answers.map(({ text }) => text))];

describe('unknown, invisible, denied and honeypot tools', () => {
  it.each(shapes)('answer byte for byte alike to %s', async (_name, shape) => {
    for (const credential of [key('alice-key'), key('nobody-key'), undefined]) {
      const answers = await answersTo(shape, [...unknownTools, ...hiddenTools], credential);
      expect(spellings(answers)).toEqual([answers[0]?.text]);
      expect(answers[0]?.status).toBeGreaterThanOrEqual(400);
      expect(answers[0]?.text).not.toMatch(/unknown_x|invisible|denied|trap/);
    }
  });

  it('answer alike whatever the scopes of the token, the limits that are reached and the number of tries', async () => {
    const call: RawRequest = { method: 'POST', path, body: '{"q":"x"}' };
    for (const scope of ['', 'tools:read', 'tools:execute', 'books:read', 'tools:read tools:execute']) {
      const answers = await answersTo(call, [...unknownTools, ...hiddenTools], token(scope));
      expect([scope, answers[0]?.status, spellings(answers).length]).toEqual([scope, 404, 1]);
    }
    for (let index = 0; index < 4; index++) await answersTo(call, ['m/visible_x'], key('spent-key'));
    expect((await answersTo(call, ['m/visible_x'], key('spent-key')))[0]?.status).toBe(429);
    for (let index = 0; index < 3; index++) {
      const answers = await answersTo(call, [...unknownTools, ...hiddenTools], key('spent-key'));
      expect([answers[0]?.status, spellings(answers).length]).toEqual([404, 1]);
    }
  });

  it('answer a stranger as every tool does', async () => {
    const call: RawRequest = { method: 'POST', path, body: '{"q":"x"}' };
    for (const credential of [undefined, key('wrong')]) {
      const answers = await answersTo(call, [...unknownTools, ...hiddenTools, 'm/visible_x'], credential);
      expect([answers[0]?.status, spellings(answers).length]).toEqual([401, 1]);
    }
  });

  it('are told apart in the log alone, a honeypot as critical whichever way it is tried', async () => {
    for (const shape of [{ method: 'POST', path, body: '{' }, { path }, { path: `${path}/ws`, headers: handshake }]) {
      const [trap, hidden] = await answersTo(shape, ['m/trap____x', 'm/invisible'], key('alice-key'));
      const about = (id: string | undefined) =>
        server.sink.about(id ?? null).filter(({ event }) => event !== 'auth.success');
      expect(about(trap?.id)).toMatchObject([{ event: 'tool.denied', reason: 'honeypot', severity: 'critical' }]);
      expect(about(hidden?.id)).toMatchObject([{ event: 'tool.denied', reason: 'not_found' }]);
      expect(about(hidden?.id)[0]).not.toHaveProperty('severity');
    }
  });

  it('are another matter than tools that the caller may see', async () => {
    const call: RawRequest = { method: 'POST', path, body: '{"q":"x"}' };
    const limited = await answersTo(call, ['m/scoped__x'], token('tools:read tools:execute'));
    expect(limited[0]?.text).toContain('"required_scope":"books:read"');
    expect((await answersTo(call, ['m/visible_x'], key('alice-key')))[0]?.status).toBe(200);
  });
});

describe('unknown and invisible manuals', () => {
  it.each<[string, RawRequest]>([
    ['a request', { path: '/utcp/{}' }],
    ['a search', { path: '/utcp/{}?q=visible&limit=3' }],
    ['a search by tag', { path: '/utcp/{}?tag=x' }],
    ['a search that does not fit', { path: '/utcp/{}?limit=0&evil=1' }],
    ['a condition', { path: '/utcp/{}', headers: ['If-None-Match: *'] }],
    ['a compressed answer', { path: '/utcp/{}', headers: ['Accept-Encoding: br'] }],
    ['HEAD', { method: 'HEAD', path: '/utcp/{}' }],
    ['POST', { method: 'POST', path: '/utcp/{}', body: '{}' }],
    ['OPTIONS', { method: 'OPTIONS', path: '/utcp/{}' }],
  ])('answer byte for byte alike to %s', async (_name, shape) => {
    for (const credential of [key('alice-key'), key('nobody-key'), token('tools:read'), token(''), undefined]) {
      const answers = await answersTo(shape, ['x', 'y'], credential);
      expect(spellings(answers)).toHaveLength(1);
      expect(answers[0]?.status).toBeGreaterThanOrEqual(400);
    }
  });
});
