import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CallResult, GatehouseError, type Json, LoadError } from '../../src/core/index.js';
import { makeBinding } from '../support/binding.js';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { sendJson, startUpstream, type TestUpstream } from '../support/upstream.js';

/** An upstream that answers with what it was asked. */
function startEcho(): Promise<TestUpstream> {
  return startUpstream((request, response) => sendJson(response, request));
}

describe('the request of an http template', () => {
  it('puts arguments into path, query, headers and body as UTCP says', async () => {
    const upstream = await startEcho();
    const prepared = prepare(
      {
        url: `${upstream.origin}/users/{id}/items?fixed=1`,
        http_method: 'POST',
        header_fields: ['X-Tenant'],
        headers: { 'X-Static': 'yes' },
        body_field: 'item',
      },
      ['id', 'X-Tenant', 'item', 'dry_run', 'tags'],
    );
    const seen = await call(prepared, {
      id: 'a/b ?#%é',
      'X-Tenant': 'acme',
      item: { name: 'é', ok: true, none: null, list: [1] },
      dry_run: false,
      tags: ['x', 'y z'],
    });
    expect(seen).toMatchObject({
      method: 'POST',
      url: '/users/a%2Fb%20%3F%23%25%C3%A9/items?fixed=1&dry_run=false&tags=x&tags=y%20z',
      headers: { 'x-tenant': 'acme', 'x-static': 'yes', 'content-type': 'application/json' },
      body: '{"name":"é","ok":true,"none":null,"list":[1]}',
    });
  });

  it('sends each argument to exactly one place, whatever it holds (property)', async () => {
    const upstream = await startEcho();
    const url = `${upstream.origin}/{p}`;
    const prepared = prepare({ url, http_method: 'PUT', body_field: 'b' }, ['p', 'q', 'b']);
    const value = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/^\.\.?$/.test(text));
    await fc.assert(
      fc.asyncProperty(value, value, value, async (p, q, b) => {
        const seen = await call(prepared, { p, q, b });
        expect(seen).toMatchObject({ body: JSON.stringify(b) });
        const [path = '', query = '', ...more] = upstream.requests.at(-1)?.url.split('?') ?? [];
        expect([decodeURIComponent(path), decodeURIComponent(query), more]).toEqual([`/${p}`, `q=${q}`, []]);
        expect(path.slice(1) + query.slice(2)).not.toMatch(/[/?#&=]/);
      }),
      { numRuns: 50 },
    );
  });

  it('leaves null and empty lists out of the query and writes objects as JSON', async () => {
    const upstream = await startEcho();
    const prepared = prepare({ url: upstream.origin }, ['a', 'b', 'c', 'd']);
    expect(await call(prepared, { a: null, b: [], c: { x: 1 }, d: [null, 2] })).toMatchObject({
      url: '/?c=%7B%22x%22%3A1%7D&d=2',
    });
  });

  it('puts what stands nowhere else into the query of this one call, where the URL itself is always the same', async () => {
    const upstream = await startEcho();
    const prepared = prepare({ url: `${upstream.origin}/a?fixed=1` }, ['q']);
    expect(await call(prepared)).toMatchObject({ url: '/a?fixed=1' });
    expect(await call(prepared, { q: 'x' })).toMatchObject({ url: '/a?fixed=1&q=x' });
    expect(await call(prepared)).toMatchObject({ url: '/a?fixed=1' });
  });

  it('joins a base path, from a variable too, with the template’s own', async () => {
    const upstream = await startEcho();
    const variables = { API_BASE: `${upstream.origin}/v1/`, API_TENANT: 'a b' };
    const prepared = prepare({ url: '${API_BASE}/${API_TENANT}/{id}' }, ['id'], { variables });
    expect(await call(prepared, { id: 7 })).toMatchObject({ url: '/v1/a%20b/7' });
  });

  it('sends a form where the content type says so', async () => {
    const upstream = await startEcho();
    const template = { http_method: 'POST', content_type: 'application/x-www-form-urlencoded' };
    const prepared = prepare({ url: upstream.origin, ...template }, ['body']);
    expect(await call(prepared, { body: { a: 'x&y', b: [1, 2], c: null } })).toMatchObject({
      body: 'a=x%26y&b=1&b=2',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    expect(await failure(prepared, { body: [1] })).toMatchObject({ code: 'invalid_input' });
  });

  it('sends text as text, in the content type of the authored header', async () => {
    const upstream = await startEcho();
    const headers = { 'Content-Type': 'text/csv' };
    const prepared = prepare({ url: upstream.origin, http_method: 'PUT', headers }, ['body']);
    expect(await call(prepared, { body: 'a,b' })).toMatchObject({
      body: 'a,b',
      headers: { 'content-type': 'text/csv' },
    });
  });

  it('passes the request id and the trace context on', async () => {
    const upstream = await startEcho();
    const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' };
    const plain = await call(prepare({ url: upstream.origin }), {}, makeScope(5000, trace));
    expect(plain).toMatchObject({ headers: { 'x-request-id': 'request-1', ...trace } });
    const guide = prepare({ url: upstream.origin, headers: { 'X-Request-ID': 'gw-${request_id}' } });
    expect(await call(guide)).toMatchObject({ headers: { 'x-request-id': 'gw-request-1' } });
  });

  it('lets a header argument stand for the authored default when it is given', async () => {
    const upstream = await startEcho();
    const template = { url: upstream.origin, headers: { 'X-Mode': 'slow' }, header_fields: ['X-Mode'] };
    const prepared = prepare(template, ['X-Mode']);
    expect(await call(prepared)).toMatchObject({ headers: { 'x-mode': 'slow' } });
    expect(await call(prepared, { 'X-Mode': 'fast' })).toMatchObject({ headers: { 'x-mode': 'fast' } });
  });

  it('asks for no compression', async () => {
    const upstream = await startEcho();
    const seen = await call(prepare({ url: upstream.origin }));
    expect(seen).not.toHaveProperty('headers.accept-encoding');
  });

  it.each(['a\r\nx-evil: 1', 'a\nb', 'a\0b'])(
    'refuses a header argument with a line break or NUL: %j',
    async (value) => {
      const upstream = await startEcho();
      const prepared = prepare({ url: upstream.origin, header_fields: ['X-A'] }, ['X-A']);
      expect(await failure(prepared, { 'X-A': value })).toMatchObject({ code: 'invalid_input', status: 400 });
      expect(upstream.requests).toEqual([]);
    },
  );

  it('refuses path arguments that climb or are missing', async () => {
    const upstream = await startEcho();
    const prepared = prepare({ url: `${upstream.origin}/a/{id}` }, ['id']);
    for (const id of ['..', '.', '']) expect(await failure(prepared, { id })).toMatchObject({ code: 'invalid_input' });
    expect(await failure(prepared)).toMatchObject({ details: { errors: [{ pointer: '/id' }] } });
    expect(upstream.requests).toEqual([]);
  });

  it('lets no argument repeat a query parameter that the template or the credential sets', async () => {
    const upstream = await startEcho();
    const auth = { auth_type: 'api_key', api_key: 'k', var_name: 'key', location: 'query' };
    const prepared = prepare({ url: `${upstream.origin}/?tenant=acme`, auth }, ['q']);
    expect(await call(prepared, { q: 1 })).toMatchObject({ url: '/?tenant=acme&key=k&q=1' });
    expect(await failure(prepared, { tenant: 'evil' })).toMatchObject({ code: 'invalid_input' });
    expect(await failure(prepared, { key: 'mine' })).toMatchObject({ code: 'invalid_input' });
    expect(() => prepare({ url: `${upstream.origin}/?tenant=acme` }, ['tenant'])).toThrow(LoadError);
  });

  it.each(['tenant[]', 'tenant[0]', 'tenant[x]', 'tenant[$ne]', 'TENANT', 'Key[]'])(
    'lets no argument called %s stand for a parameter that the template or the credential sets',
    async (name) => {
      const upstream = await startEcho();
      const auth = { auth_type: 'api_key', api_key: 'k', var_name: 'key', location: 'query' };
      const prepared = prepare({ url: `${upstream.origin}/?tenant=acme&filter[a]=1`, auth }, ['filter[b]', 'tenants']);
      expect(await failure(prepared, { [name]: 'evil' })).toMatchObject({ code: 'invalid_input' });
      expect(await call(prepared, { 'filter[b]': 2, tenants: 3 })).toMatchObject({
        url: '/?tenant=acme&filter[a]=1&key=k&filter%5Bb%5D=2&tenants=3',
      });
    },
  );
});

describe('an http template that cannot be served is refused at load', () => {
  const url = 'http://127.0.0.1:1/';
  it.each<[string, Record<string, Json>, RegExp]>([
    ['an unknown field', { url, retries: 3 }, /Unknown in this template: retries/],
    ['a method UTCP has not', { url, http_method: 'get' }, /http_method|Invalid option/],
    ['no URL', {}, /url|Invalid input/],
    ['plain http to a public host', { url: 'http://example.com/' }, /plain text/],
    ['a private host that is not named', { url: 'https://10.0.0.1/' }, /private or loopback/],
    ['an argument for a host', { url: 'https://{a}.example.com/' }, /host or port/],
    ['an argument for a port', { url: 'http://127.0.0.1:{a}/' }, /host or port/],
    ['an argument for a whole URL', { url: '{a}' }, /host or port/],
    ['an argument for a parameter name', { url: `${url}?{a}=1` }, /name of a query parameter/],
    ['a placeholder of no input', { url: `${url}{b}` }, /names no input/],
    ['a Host header', { url, headers: { Host: 'x' } }, /belongs to the connection/],
    ['a framing header', { url, headers: { 'Transfer-Encoding': 'chunked' } }, /belongs to the connection/],
    ['a header field of the connection', { url, header_fields: ['Content-Length'] }, /belongs to the connection/],
    ['a bad header name', { url, headers: { 'a b': 'x' } }, /header name|Invalid key/],
    ['a header with a line break', { url, headers: { a: 'x\r\nb: c' } }, /cannot carry/],
    ['a body on GET', { url, body_field: 'a' }, /GET, which has none/],
    ['multipart', { url, http_method: 'POST', body_field: 'a', content_type: 'multipart/form-data' }, /cannot be sent/],
    ['unverified TLS', { url: 'https://example.com/', verify_ssl: false }, /verify_ssl is false/],
    ['an unknown kind of auth', { url, auth: { auth_type: 'digest' } }, /auth|Invalid/],
    ['auth with an extra key', { url, auth: { auth_type: 'basic', username: 'a', password: 'b', x: 1 } }, /Unknown.*x/],
  ])('%s', (_name, template, message) => {
    const run = () => prepare(template, ['a']);
    expect(run).toThrow(LoadError);
    expect(run).toThrow(message);
  });

  it('takes the nulls that UTCP’s serialisers write, and every field of the guide', () => {
    const binding = makeBinding();
    const template = {
      call_template_type: 'http',
      name: 'x',
      url,
      http_method: 'GET',
      content_type: 'application/json',
      auth: null,
      headers: null,
      header_fields: null,
      body_field: 'body',
      auth_tools: null,
      allowed_communication_protocols: ['http'],
      verify_ssl: true,
      timeout: 30,
    };
    expect(() => makeRegistry().registry.prepareTool(template, binding)).not.toThrow();
  });

  it('tells every problem of a template at once, by file and pointer', () => {
    const binding = makeBinding();
    const template = { call_template_type: 'http', url: '', http_method: 'get', timeout: -1, extra: true };
    const run = () => makeRegistry().registry.prepareTool(template, binding);
    expect(run).toThrow(LoadError);
    try {
      run();
    } catch (error) {
      const pointers = error instanceof LoadError ? error.findings.map((finding) => finding.pointer) : [];
      const base = '/tools/0/tool_call_template';
      expect(pointers.sort()).toEqual([base, `${base}/http_method`, `${base}/timeout`, `${base}/url`]);
    }
  });

  it('an unknown template type', () => {
    const run = () => makeRegistry().registry.prepareTool({ call_template_type: 'gopher' }, makeBinding());
    expect(run).toThrow(/gopher is no call template type/);
  });
});

describe('the answer of an http upstream', () => {
  async function answer(
    headers: Record<string, string>,
    body: string | Buffer,
    status = 200,
  ): Promise<CallResult | GatehouseError> {
    const upstream = await startUpstream((_request, response) => response.writeHead(status, headers).end(body));
    const prepared = prepare({ url: upstream.origin, http_method: 'POST' });
    return Promise.resolve(prepared.call({}, makeScope())).catch((error: GatehouseError) => error);
  }

  it('passes JSON through byte for byte', async () => {
    const text = '{ "a" : 1.0, "é":"\\u00e9" }\n';
    const result = await answer({ 'content-type': 'application/vnd.api+json; charset=utf-8' }, text);
    expect(result).toMatchObject({ body: Buffer.from(text) });
  });

  it.each<[string, Record<string, string>, string | Buffer, unknown]>([
    ['an empty answer is null', { 'content-type': 'application/json' }, '', null],
    ['text is a string', { 'content-type': 'text/plain' }, 'a "b"\n', 'a "b"\n'],
    ['text in another charset is a string', { 'content-type': 'text/plain; charset=latin1' }, Buffer.from([0xe9]), 'é'],
    ['what says nothing of itself is a string where it is UTF-8', {}, 'x', 'x'],
    [
      'bytes are base64 with their type',
      { 'content-type': 'image/png' },
      Buffer.from([0x89, 0x50, 0xff]),
      { content_type: 'image/png', base64: 'iVD/' },
    ],
    ['a byte order mark is skipped', { 'content-type': 'application/json' }, '\ufeff{"a":1}', { a: 1 }],
  ])('%s', async (_name, headers, body, expected) => {
    const result = await answer(headers, body);
    if (result instanceof GatehouseError) throw result;
    expect(JSON.parse(result.body.toString())).toEqual(expected);
  });

  it('answers null for 204', async () => {
    expect(await answer({}, '', 204)).toMatchObject({ body: Buffer.from('null') });
  });

  it('refuses a compressed answer and JSON that is not UTF-8', async () => {
    const json = { 'content-type': 'application/json' };
    expect(await answer({ ...json, 'content-encoding': 'gzip' }, 'x')).toMatchObject({ code: 'upstream_invalid' });
    expect(await answer(json, Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ code: 'upstream_invalid' });
  });

  it.each([400, 404, 500])(
    'gives the status %i alone: nothing of its body, headers or address is in the error',
    async (status) => {
      const result = await answer({ 'x-canary': 'canary', 'content-type': 'text/plain' }, 'canary-body', status);
      expect(result).toMatchObject({ code: 'upstream_failed', status: 502, details: { upstream_status: status } });
      if (!(result instanceof GatehouseError)) throw new Error('no error');
      expect(`${result.message} ${result.details.detail} ${result.reason}`).not.toMatch(/canary|127\.0\.0\.1/);
    },
  );

  it('carries the refusal, at most 64 KiB of it, for the reference client', async () => {
    const small = await answer(
      { 'content-type': 'application/problem+json', 'retry-after': '7' },
      '{"title":"No"}',
      409,
    );
    expect(small).toMatchObject({
      details: {
        retry_after: 7,
        upstream_answer: { status: 409, content_type: 'application/problem+json', body: Buffer.from('{"title":"No"}') },
      },
    });
    const huge = await answer({}, 'x'.repeat(1_000_000), 500);
    if (!(huge instanceof GatehouseError)) throw new Error('no error');
    expect(huge.details.upstream_status).toBe(500);
    expect(huge.details.upstream_answer?.body.length).toBeLessThanOrEqual(65_536);
  });
});

describe('the size of an answer', () => {
  it.each([true, false])('is capped while reading, with a Content-Length (%s) or without', async (announced) => {
    let closed = false;
    const upstream = await startUpstream((_request, response) => {
      response.on('close', () => {
        closed = true;
      });
      if (announced) response.setHeader('content-length', 10_000_000);
      const write = () => {
        while (!closed && response.write(Buffer.alloc(16_384)));
      };
      response.on('drain', write);
      write();
    });
    const settings = { max_response_bytes: 100_000 };
    const error = await failure(
      prepare({ url: upstream.origin }, [], { settings: { ...settings, allow_private_hosts: ['127.0.0.1'] } }),
    );
    expect(error).toMatchObject({ code: 'upstream_too_large', status: 502 });
    await expect.poll(() => closed).toBe(true);
  });

  it('may be exactly what is allowed', async () => {
    const upstream = await startUpstream((_request, response) => response.end('x'.repeat(1000)));
    const settings = { max_response_bytes: 1000 };
    expect(await call(prepare({ url: upstream.origin }, [], { settings }))).toHaveLength(1000);
  });
});
