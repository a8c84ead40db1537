import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { register } from '@utcp/http';
import { UtcpManualSerializer } from '@utcp/sdk';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { matchesEtag } from '../../src/routes/manual.js';
import { createEchoProtocols } from '../support/echo.js';
import { bearer, keyEntry, startServer, type TestServer } from '../support/server.js';

const canary = 'canary-5f3a';
const inputs = {
  type: 'object',
  properties: { id: { type: 'string' }, list: { type: 'array', items: { type: 'string' } } },
};
const template = {
  call_template_type: 'http',
  http_method: 'POST',
  url: `https://${canary}.example/{id}?k=${canary}`,
  headers: { 'X-Canary': canary },
  auth: { auth_type: 'api_key', api_key: canary, var_name: canary, location: 'header' },
  content_type: 'application/json',
  body_field: 'list',
  header_fields: [],
};
const tool = (name: string, over = {}) => ({
  name,
  description: `${name} as its provider says it, long enough that a few of them are worth compressing`,
  inputs,
  tags: ['one'],
  tool_call_template: template,
  ...over,
});
const direct = {
  call_template_type: 'http',
  http_method: 'GET',
  url: 'https://public.example/x',
  auth: { auth_type: 'api_key', api_key: '${THEIR_KEY}', var_name: 'X-Key', location: 'header' },
};
let server: TestServer;

beforeAll(async () => {
  register(true);
  server = await startServer({
    config: {
      server: { public_url: 'https://tools.example/base/' },
      manuals: [
        { name: 'books', source: 'books.yaml' },
        { name: 'other', source: 'other.yaml', expose: 'direct', prefix: 'o_' },
      ],
      policy: {
        roles: {
          some: { discover: ['books.get*'] },
          all: { discover: ['*'], call: ['*'] },
          nothing: {},
        },
      },
      callers: ['some', 'all', 'nothing'].map((role) => ({
        id: role,
        roles: [role],
        api_keys: { current: keyEntry(role) },
      })),
      limits: { per_caller: {} },
    },
    files: {
      'books.yaml': {
        utcp_version: '1.1.0',
        manual_version: '2.0.0',
        tools: [...Array.from({ length: 12 }, (_, index) => tool(`get_${index}`)), tool('put')],
      },
      'other.yaml': {
        utcp_version: '1.1.0',
        manual_version: '10.0.0',
        tools: [tool('thing', { tool_call_template: direct })],
      },
    },
    dependencies: { protocols: createEchoProtocols() },
  });
});
afterAll(() => server.close());

async function get(path: string, key: string, headers: Record<string, string> = {}) {
  const response = await request(`${local()}${path}`, {
    headers: { ...bearer(key), ...headers },
  });
  const bytes = Buffer.from(await response.body.arrayBuffer());
  return { status: response.statusCode, headers: response.headers, bytes };
}

function local(): string {
  const address = server.server.app.server.address();
  return typeof address === 'object' && address ? `http://127.0.0.1:${address.port}` : '';
}

const names = (bytes: Buffer): string[] => JSON.parse(bytes.toString()).tools.map((one: { name: string }) => one.name);

describe('GET /utcp', () => {
  it('shows each caller their own tools and no others', async () => {
    expect(names((await get('/utcp', 'some')).bytes)).toEqual(Array.from({ length: 12 }, (_, index) => `get_${index}`));
    expect(names((await get('/utcp', 'all')).bytes)).toHaveLength(14);
    expect(names((await get('/utcp', 'nothing')).bytes)).toEqual([]);
  });

  it('serves a shape that the official TypeScript client takes whole', async () => {
    const manual = JSON.parse((await get('/utcp', 'all')).bytes.toString());
    expect(Object.keys(manual)).toEqual(['utcp_version', 'manual_version', 'tools']);
    expect(() => new UtcpManualSerializer().validateDict(manual)).not.toThrow();
    expect(manual.tools[0].tool_call_template).toEqual({
      call_template_type: 'http',
      http_method: 'POST',
      content_type: 'application/json',
      url: 'https://tools.example/base/tools/books/get_0/body',
      body_field: 'list',
      auth: { auth_type: 'api_key', api_key: 'Bearer ${TOKEN}', var_name: 'Authorization', location: 'header' },
    });
    expect(manual.tools.at(-1)).toMatchObject({ name: 'o_thing', tool_call_template: direct });
  });

  it('holds no byte of a routed tool’s upstream: address, headers or credentials', async () => {
    expect((await get('/utcp', 'all')).bytes.toString()).not.toContain(canary);
  });

  it('takes its version from the visible manuals alone', async () => {
    const version = async (key: string) => JSON.parse((await get('/utcp', key)).bytes.toString()).manual_version;
    expect(await version('some')).toBe('2.0.0');
    expect(await version('all')).toBe('10.0.0');
  });

  it('answers 304 to its own validator, never without If-None-Match, and tells codings and callers apart', async () => {
    const first = await get('/utcp', 'some');
    expect(first.status).toBe(200);
    const etag = String(first.headers.etag);
    expect(etag).toMatch(/^"[\w-]+"$/);
    const again = await get('/utcp', 'some', { 'if-none-match': etag });
    expect([again.status, again.bytes.length, again.headers.etag]).toEqual([304, 0, etag]);
    expect((await get('/utcp', 'all', { 'if-none-match': etag })).status).toBe(200);
    expect((await get('/utcp', 'some', { 'if-none-match': etag, 'accept-encoding': 'gzip' })).status).toBe(200);
    expect(first.headers).toMatchObject({ 'cache-control': 'private', vary: 'Authorization, Accept-Encoding' });
  });

  it('compresses as Accept-Encoding says, and brotli only where it is named', async () => {
    const plain = (await get('/utcp', 'some')).bytes;
    const gzip = await get('/utcp', 'some', { 'accept-encoding': 'gzip, deflate' });
    expect([gzip.headers['content-encoding'], gunzipSync(gzip.bytes).equals(plain)]).toEqual(['gzip', true]);
    const brotli = await get('/utcp', 'some', { 'accept-encoding': 'gzip, br' });
    expect([brotli.headers['content-encoding'], brotliDecompressSync(brotli.bytes).equals(plain)]).toEqual([
      'br',
      true,
    ]);
    for (const accepted of ['identity', 'gzip;q=0', 'br;q=0, deflate', '']) {
      expect((await get('/utcp', 'some', { 'accept-encoding': accepted })).headers['content-encoding']).toBeUndefined();
    }
    expect((await get('/utcp', 'some', { 'accept-encoding': '*' })).headers['content-encoding']).toBe('gzip');
  });

  it('serves one manual by name, and 404 for one that is unknown or shows this caller nothing', async () => {
    expect(names((await get('/utcp/other', 'all')).bytes)).toEqual(['o_thing']);
    const unknown = await get('/utcp/nowhere', 'some');
    const invisible = await get('/utcp/other', 'some');
    const text = ({ bytes, headers }: typeof unknown) => bytes.toString().replace(String(headers['x-request-id']), '');
    expect([unknown.status, invisible.status, text(unknown)]).toEqual([404, 404, text(invisible)]);
  });

  it('answers HEAD with the headers of GET and no body', async () => {
    const response = await request(`${local()}/utcp`, { method: 'HEAD', headers: bearer('some') });
    const get200 = await get('/utcp', 'some');
    expect(response.statusCode).toBe(200);
    expect(response.headers['content-length']).toBe(String(get200.bytes.length));
    expect(response.headers.etag).toBe(get200.headers.etag);
    await response.body.dump();
  });

  it('leaves one manual.served', async () => {
    const { headers } = await get('/utcp/books', 'all');
    expect(
      server.sink.about(String(headers['x-request-id'])).filter(({ event }) => event !== 'auth.success'),
    ).toMatchObject([
      { event: 'manual.served', outcome: 'success', caller: 'all', manual: 'books', status: 200, tools: 13 },
    ]);
  });

  it('carries the security headers of an API', async () => {
    const { headers } = await get('/utcp', 'some');
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'strict-transport-security': expect.stringContaining('max-age'),
      'referrer-policy': 'no-referrer',
    });
    expect(headers['x-powered-by']).toBeUndefined();
  });
});

describe('matchesEtag', () => {
  it('compares weakly and in lists (RFC 9110 section 13.1.2)', () => {
    expect(matchesEtag('W/"a", "b"', '"a"')).toBe(true);
    expect(matchesEtag('*', '"a"')).toBe(true);
    expect(matchesEtag('"ab"', '"a"')).toBe(false);
  });
});
