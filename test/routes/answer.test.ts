import fastify from 'fastify';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatehouse } from '../../src/index.js';
import { createEchoProtocols } from '../support/echo.js';
import { bearer, keyEntry, startServer, type TestServer } from '../support/server.js';

const standard = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};
const config = {
  manuals: [{ name: 'm', source: 'm.yaml' }],
  policy: { roles: { all: { discover: ['*'], call: ['*'] } } },
  callers: [{ id: 'one', roles: ['all'], api_keys: { current: keyEntry('key') } }],
};
const manual = {
  utcp_version: '1.1.0',
  manual_version: '1.0.0',
  tools: [
    {
      name: 'echo',
      description: 'Echoes',
      inputs: { type: 'object' },
      tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/x' },
    },
  ],
};
let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    config,
    files: { 'm.yaml': manual },
    dependencies: { protocols: createEchoProtocols() },
  });
});
afterAll(() => server.close());

const ask = (path: string, init: Parameters<typeof request>[1] = {}) => request(`${server.url}${path}`, init);
const known = bearer('key');
const etag = async () => String((await ask('/utcp', { headers: known })).headers.etag);

describe('every answer of the public listener', () => {
  it.each([
    ['a manual', 200, () => ask('/utcp', { headers: known })],
    ['a manual in gzip', 200, () => ask('/utcp', { headers: { ...known, 'accept-encoding': 'gzip' } })],
    ['the head of a manual', 200, () => ask('/utcp', { method: 'HEAD', headers: known })],
    [
      'a manual that the caller has',
      304,
      async () => ask('/utcp', { headers: { ...known, 'if-none-match': await etag() } }),
    ],
    ['a call', 200, () => ask('/tools/m/echo', { method: 'POST', headers: known })],
    ['a stranger', 401, () => ask('/utcp')],
    ['a tool that is not there', 404, () => ask('/tools/m/none', { method: 'POST', headers: known })],
    ['a path that is not there', 404, () => ask('/none')],
    ['a body that is no JSON', 400, () => ask('/tools/m/echo', { method: 'POST', headers: known, body: '{' })],
    ['the health check', 200, () => ask('/livez')],
    ['the metadata', 200, () => ask('/.well-known/oauth-protected-resource')],
  ])('has the standard headers and its own request id: %s', async (_name, status, send) => {
    const { statusCode, headers, body } = await send();
    await body.dump();
    expect(statusCode).toBe(status);
    expect(headers).toMatchObject(standard);
    expect(headers['x-request-id']).toMatch(/^[\w-]+$/);
    const events = server.sink.about(String(headers['x-request-id']));
    expect(events.length).toBeLessThanOrEqual(2);
  });

  it('tells its event by the request id that it carries, once', async () => {
    const answers = await Promise.all([
      ask('/utcp', { headers: known }),
      ask('/tools/m/echo', { method: 'POST', headers: known }),
      ask('/tools/m/none', { method: 'POST', headers: known }),
    ]);
    for (const { body } of answers) await body.dump();
    const told = answers.map(({ headers }) =>
      server.sink.about(String(headers['x-request-id'])).map(({ event }) => event),
    );
    expect(told).toEqual([['manual.served'], ['tool.call'], ['tool.denied']]);
  });

  it('gives the head of a manual without the manual, and its length', async () => {
    const whole = await ask('/utcp', { headers: known });
    const head = await ask('/utcp', { method: 'HEAD', headers: known });
    expect(await head.body.text()).toBe('');
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(await whole.body.text())));
  });
});

describe('as a part of another app', () => {
  it('keeps the headers that the app’s own hooks put on its answers', async () => {
    const app = fastify();
    app.addHook(
      'onRequest',
      async (_request, reply) => void reply.header('access-control-allow-origin', 'https://a.example'),
    );
    app.addHook('onSend', async (_request, reply) => void reply.header('server-timing', 'app;dur=1'));
    await app.register(gatehouse, { config: { ...config, manuals: [] } });
    const { headers, statusCode } = await app.inject({ url: '/utcp', headers: known });
    await app.close();
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({
      ...standard,
      'access-control-allow-origin': 'https://a.example',
      'server-timing': 'app;dur=1',
    });
  });
});
