import { createServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ClientOptions, createClient } from '../../src/client/index.js';
import { type Handler, makeManual, startManualServer } from '../support/manual-server.js';

type ToolSpec = { readonly name: string } & Record<string, unknown>;

/** A provider with these tools; `{url}` in a template is the provider itself. Calls go to `handler`. */
async function serve(tools: readonly ToolSpec[], handler: Handler, options: Partial<ClientOptions> = {}) {
  const server = await startManualServer((request, url) => {
    if (!request.url.startsWith('/utcp')) return handler(request, url);
    return { body: JSON.parse(JSON.stringify(makeManual(tools)).replaceAll('{url}', url)) };
  });
  const client = createClient({ url: `${server.url}/utcp`, ...options });
  onTestFinished(() => client.close());
  return { client, url: server.url, calls: () => server.seen.filter(({ url }) => !url.startsWith('/utcp')) };
}

const any = { type: 'object', properties: { a: {} } };
const get = (path: string) => ({ call_template_type: 'http', http_method: 'GET', url: `{url}${path}` });
const post = (path: string) => ({
  call_template_type: 'http',
  http_method: 'POST',
  url: `{url}${path}`,
  content_type: 'application/json',
  body_field: 'body',
  auth: { auth_type: 'api_key', api_key: 'Bearer ${TOKEN}', var_name: 'Authorization', location: 'header' },
});
const wrapped = {
  type: 'object',
  properties: { body: { type: 'object', properties: { n: { type: 'integer' } } } },
  required: ['body'],
};

describe('call', () => {
  it('sends the published form and gives the JSON result, with the credential in place of the published auth', async () => {
    const tool = { name: 'create', inputs: wrapped, tool_call_template: post('/tools/books/create') };
    const { client, calls } = await serve([tool], ({ body }) => ({ body: { got: JSON.parse(body) } }), {
      credential: { bearer: 'k$1${x}' },
    });
    expect(await client.call('create', { n: 1 })).toEqual({ got: { n: 1 } });
    expect(await client.call('books.create', { body: { n: 2 } })).toEqual({ got: { n: 2 } });
    expect(calls()[0]).toMatchObject({
      method: 'POST',
      headers: { authorization: 'Bearer k$1${x}', 'content-type': 'application/json' },
    });
  });

  it("calls no other manual's tool of the same name", async () => {
    const { client } = await serve([{ name: 'list', tool_call_template: get('/tools/books/list') }], () => ({
      body: 1,
    }));
    expect(await client.call('books.list')).toBe(1);
    await expect(client.call('films.list')).rejects.toMatchObject({ name: 'NotFoundError', message: /^Not found/ });
  });

  it('an unknown tool is a NotFoundError, after one look at a fresh manual', async () => {
    const { client } = await serve([], () => undefined);
    await expect(client.call('nothing')).rejects.toMatchObject({ name: 'NotFoundError' });
  });

  it('arguments that do not fit are refused before anything is sent', async () => {
    const inputs = { type: 'object', properties: { id: { type: 'string', pattern: '^[a-z]+$' } }, required: ['id'] };
    const { client, calls } = await serve([{ name: 'get', inputs, tool_call_template: get('/x/{id}') }], () => ({
      body: 1,
    }));
    await expect(client.call('get', { id: "'; DROP TABLE books" })).rejects.toMatchObject({
      name: 'InvalidInputError',
      message: 'Invalid input: /id must match pattern "^[a-z]+$"',
      errors: [{ pointer: '/id' }],
    });
    await expect(client.call('get')).rejects.toMatchObject({ errors: [{ pointer: '/id', message: 'is required' }] });
    expect(calls()).toHaveLength(0);
  });

  it('a path argument adds no segment and cannot climb', async () => {
    const inputs = { type: 'object', properties: { id: { type: 'string' } } };
    const { client, calls } = await serve([{ name: 'get', inputs, tool_call_template: get('/x/{id}') }], () => ({
      body: 1,
    }));
    await client.call('get', { id: 'a/b ?#%é' });
    expect(calls()[0]?.url).toBe('/x/a%2Fb%20%3F%23%25%C3%A9');
    await expect(client.call('get', { id: '..' })).rejects.toMatchObject({ name: 'InvalidInputError' });
  });

  it("a provider's refusal comes typed, with its title and its request id", async () => {
    const problem = { code: 'path_not_allowed', title: 'x', status: 400, request_id: 'r-9' };
    const { client } = await serve([{ name: 'read', tool_call_template: get('/x') }], () => ({
      status: 400,
      body: problem,
    }));
    await expect(client.call('read')).rejects.toMatchObject({
      name: 'PathNotAllowedError',
      message: 'Path not allowed',
      status: 400,
      details: { request_id: 'r-9' },
    });
  });
});

describe('direct tools', () => {
  it("get the variables that were given, and never the provider's credential", async () => {
    const other = await startManualServer(() => ({ body: 1 }));
    const template = {
      call_template_type: 'http',
      url: `${other.url}/x`,
      headers: { 'X-Key': '${KEY}' },
      auth: { auth_type: 'api_key', api_key: '${TOKEN}', var_name: 'X-Token', location: 'header' },
    };
    const { client } = await serve([{ name: 'd', tool_call_template: template }], () => undefined, {
      name: 'my_books',
      credential: { bearer: 'S3CRET' },
      variables: { my__books_KEY: 'k', TOKEN: 't' },
    });
    await client.call('d');
    expect(other.seen[0]?.headers).toMatchObject({ 'x-key': 'k', 'x-token': 't' });
    expect(JSON.stringify(other.seen)).not.toContain('S3CRET');
  });

  it('with a variable that was not given are unusable: the error names it', async () => {
    const template = { ...get('/x'), headers: { 'X-Key': '${PATH}' } };
    const { client } = await serve([{ name: 'd', tool_call_template: template }], () => undefined);
    await expect(client.call('d')).rejects.toMatchObject({
      name: 'ToolUnusableError',
      message: 'Tool unusable: Variable PATH is not set.',
    });
  });

  it.each([
    'http://169.254.169.254/latest/meta-data',
    'http://10.0.0.1/x',
    'https://localhost.:1/x',
    'http://example.com/x',
  ])('at %s are refused before anything is sent (CVE-2026-44661)', async (url) => {
    const { client } = await serve(
      [{ name: 'd', tool_call_template: { call_template_type: 'http', url } }],
      () => undefined,
    );
    await expect(client.call('d')).rejects.toMatchObject({ name: 'ToolUnusableError' });
  });

  it.each([
    { call_template_type: 'text', file_path: '/etc/passwd', allowed_paths: ['/etc'] },
    { call_template_type: 'cli', command: '/bin/cat', args: ['/etc/passwd'] },
    { call_template_type: 'mcp', server_config: { command: '/bin/cat' } },
  ])(
    'that touch this machine are not called unless allowed_protocols says so: $call_template_type',
    async (template) => {
      const { client } = await serve([{ name: 'd', tool_call_template: template }], () => undefined);
      await expect(client.call('d')).rejects.toMatchObject({ name: 'ToolUnusableError', code: 'protocol_not_allowed' });
    },
  );

  it('that are not http are run by the protocol that the server uses', async () => {
    const { client } = await serve(
      [
        {
          name: 'd',
          inputs: any,
          tool_call_template: { call_template_type: 'text', file_path: 'package.json', allowed_paths: [process.cwd()] },
        },
      ],
      () => undefined,
      { allowed_protocols: ['text'] },
    );
    expect(JSON.stringify(await client.call('d'))).toContain('utcp-gatehouse');
  });
});

describe('calls tried again', () => {
  const reader = { name: 'read', tool_call_template: get('/x') };
  const writer = { name: 'write', inputs: wrapped, tool_call_template: { ...post('/x'), auth: undefined } };

  it.each([
    ['an idempotent call as often as retries says', 'read', 3],
    ['a POST not at all: it may have been done', 'write', 1],
  ])('%s', async (_name, tool, times) => {
    const { client, calls } = await serve([reader, writer], () => ({ status: 503 }), { retries: 2 });
    await expect(client.call(tool)).rejects.toMatchObject({ name: 'UpstreamError', status: 503 });
    expect(calls()).toHaveLength(times);
  });

  it('until one succeeds', async () => {
    let tries = 0;
    const { client } = await serve([reader], () => (++tries < 3 ? { status: 502 } : { body: { ok: true } }), {
      retries: 2,
    });
    expect(await client.call('read')).toEqual({ ok: true });
  });

  it('not before Retry-After, and not at all where that is too long', async () => {
    const times: number[] = [];
    let wait = '1';
    const { client } = await serve([reader], () => {
      times.push(Date.now());
      return times.length === 1 || wait === '60' ? { status: 429, headers: { 'retry-after': wait } } : { body: 1 };
    });
    await client.call('read');
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
    wait = '60';
    await expect(client.call('read')).rejects.toMatchObject({ name: 'RateLimitedError', retry_after: 60 });
    expect(times).toHaveLength(3);
  });

  it('within the time of the call, all tries together', async () => {
    const { client } = await serve([reader], () => undefined, { retries: 5, timeout_ms: 300 });
    const start = performance.now();
    await expect(client.call('read')).rejects.toMatchObject({ name: 'TransportError', code: 'upstream_timeout' });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('not once the caller has aborted', async () => {
    const { client, calls } = await serve([reader], () => undefined, { retries: 5 });
    await client.discover();
    const abort = new AbortController();
    const call = client.call('read', {}, { signal: abort.signal });
    await expect.poll(() => calls().length).toBe(1);
    abort.abort();
    await expect(call).rejects.toMatchObject({ name: 'TransportError', code: 'client_aborted' });
    expect(calls()).toHaveLength(1);
  });

  it('a provider that is gone is a TransportError that says so', async () => {
    const { client } = await serve(
      [{ name: 'gone', tool_call_template: { ...get('/x'), url: await refusingUrl() } }],
      () => undefined,
      { retries: 1 },
    );
    await expect(client.call('gone')).rejects.toMatchObject({
      name: 'TransportError',
      message: 'Upstream failed: connect_refused',
    });
  });
});

/** A URL at a port where nothing listens any more. */
async function refusingUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/x`;
}
