import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ClientOptions, createClient } from '../../src/client/index.js';
import { issueCertificate, makeAuthority, writeFiles } from '../support/certificates.js';
import { type Handler, makeManual, startManualServer } from '../support/manual-server.js';

const serveManual: Handler = () => ({ body: makeManual(['a', 'b']) });

function open(options: ClientOptions) {
  const client = createClient(options);
  onTestFinished(() => client.close());
  return client;
}

async function serve(handler: Handler, options: Partial<ClientOptions> = {}) {
  const server = await startManualServer(handler);
  return { ...server, client: open({ url: `${server.url}/utcp`, retries: 0, ...options }) };
}

describe('discovery', () => {
  it('reads the manual', async () => {
    const { client } = await serve(serveManual);
    const manual = await client.discover();
    expect(manual.tools.map(({ name }) => name)).toEqual(['a', 'b']);
    expect(manual.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it('asks with the ETag of what it has and reuses it on 304', async () => {
    const { client, seen } = await serve(({ headers }) =>
      headers['if-none-match'] === '"v1"' ? { status: 304 } : { headers: { etag: '"v1"' }, body: makeManual(['a']) },
    );
    const first = await client.discover();
    expect(await client.discover()).toBe(first);
    expect(seen.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"v1"']);
  });

  it('searches by q, tag and limit, each search with its own ETag', async () => {
    const { client, seen } = await serve(({ url }) => ({ headers: { etag: `"${url}"` }, body: makeManual(['a']) }));
    const { tools } = await client.search('all books & more', { tag: 'read', limit: 5 });
    expect(tools.map(({ name }) => name)).toEqual(['a']);
    await client.search('other');
    expect(seen.map(({ url }) => url)).toEqual(['/utcp?q=all+books+%26+more&tag=read&limit=5', '/utcp?q=other']);
    expect(seen[1]?.headers['if-none-match']).toBeUndefined();
  });

  it('two at once ask once', async () => {
    const { client, seen } = await serve(serveManual);
    await Promise.all([client.discover(), client.discover()]);
    expect(seen).toHaveLength(1);
  });

  it('reads gzip', async () => {
    const { client } = await serve(() => ({
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync(JSON.stringify(makeManual(['a']))),
    }));
    expect((await client.discover()).tools).toHaveLength(1);
  });

  it('a compression bomb ends in an error, not in memory', async () => {
    const bomb = gzipSync(Buffer.alloc(80_000_000));
    const { client } = await serve(() => ({ headers: { 'content-encoding': 'gzip' }, body: bomb }));
    await expect(client.discover()).rejects.toMatchObject({ name: 'UpstreamError', code: 'upstream_too_large' });
  });

  it.each<[string, unknown]>([
    ['no JSON', '<html>'],
    ['a list', []],
    ['no utcp_version', { tools: [] }],
    ['no tools', { utcp_version: '1.1.0' }],
    ['a tool without a name', makeManual([{ name: '' }])],
    ['a tool without a template', makeManual([{ name: 'a', tool_call_template: {} }])],
    ['two tools of one name', makeManual(['a', 'a'])],
    ['nesting without end', `{"utcp_version":"1","tools":[],"x":${'['.repeat(500_000)}${']'.repeat(500_000)}}`],
  ])('refuses %s as a manual', async (_name, body) => {
    const { client } = await serve(() => ({ body }));
    await expect(client.discover()).rejects.toMatchObject({ name: 'InvalidManualError' });
  });

  it('follows no redirect (GHSA-9qhg-99ww-9mqc)', async () => {
    const { client, seen } = await serve((_request, url) => ({ status: 302, headers: { location: `${url}/other` } }));
    await expect(client.discover()).rejects.toMatchObject({ name: 'UpstreamError', status: 302 });
    expect(seen).toHaveLength(1);
  });

  it('a time-out is a TransportError in its time', async () => {
    const { client } = await serve(() => undefined, { timeout_ms: 200 });
    const start = performance.now();
    await expect(client.discover()).rejects.toMatchObject({ name: 'TransportError', code: 'upstream_timeout' });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it.each(['not a url', 'file:///etc/passwd', 'http://user:secret@127.0.0.1/utcp'])('refuses %s as its URL', (url) => {
    expect(() => createClient({ url })).toThrowError(/^Invalid URL(?!.*secret)/);
  });

  it.each(['http://tools.example.com/utcp', 'http://10.1.2.3/utcp', 'http://localhost.example.com/utcp'])(
    'sends no credential in plain text beyond this machine: %s',
    async (url) => {
      const client = open({ url, credential: { bearer: 'k' }, retries: 0 });
      await expect(client.discover()).rejects.toMatchObject({ name: 'TransportError', code: 'upstream_failed' });
    },
  );
});

describe('discovery over TLS', () => {
  it('verifies the certificate, against ca_file where one is given', async () => {
    const authority = await makeAuthority();
    const server = await startManualServer(serveManual, await issueCertificate(authority, ['127.0.0.1']));
    const files = writeFiles({ 'ca.pem': authority.cert });
    onTestFinished(() => files.remove());
    const options = { url: `${server.url}/utcp`, retries: 0 };
    await expect(open(options).discover()).rejects.toMatchObject({ name: 'TransportError' });
    expect((await open({ ...options, ca_file: join(files.dir, 'ca.pem') }).discover()).tools).toHaveLength(2);
  });

  it("refuses a certificate for another host's name", async () => {
    const authority = await makeAuthority();
    const server = await startManualServer(serveManual, await issueCertificate(authority, ['other.example.com']));
    const files = writeFiles({ 'ca.pem': authority.cert });
    onTestFinished(() => files.remove());
    const client = open({ url: `${server.url}/utcp`, ca_file: join(files.dir, 'ca.pem'), retries: 0 });
    await expect(client.discover()).rejects.toMatchObject({ message: 'Upstream failed: tls_failed' });
  });
});

describe('credentials of discovery', () => {
  it('api_key is sent as X-API-Key, bearer as Authorization', async () => {
    const { url, seen } = await startManualServer(serveManual);
    await open({ url: `${url}/utcp`, credential: { api_key: 'k1' } }).discover();
    await open({ url: `${url}/utcp`, credential: { bearer: 'k2' } }).discover();
    expect(seen.map(({ headers }) => [headers['x-api-key'], headers.authorization])).toEqual([
      ['k1', undefined],
      [undefined, 'Bearer k2'],
    ]);
  });

  it('oauth2 fetches one token for many requests, form-encoded as RFC 6749 section 2.3.1 asks', async () => {
    const { client, seen } = await serve(
      ({ url }) =>
        url === '/oauth/token' ? { body: { access_token: 't1', expires_in: 900 } } : { body: makeManual(['a']) },
      { credential: { oauth2: { client_id: 'a:b', client_secret: 'ü %', scope: 'tools:read' } } },
    );
    await Promise.all([client.search('x'), client.search('y'), client.discover()]);
    const tokens = seen.filter(({ url }) => url === '/oauth/token');
    expect(tokens).toHaveLength(1);
    expect(tokens[0]?.body).toBe('grant_type=client_credentials&scope=tools%3Aread');
    const [, pair = ''] = (tokens[0]?.headers.authorization ?? '').split(' ');
    expect(Buffer.from(pair, 'base64').toString()).toBe('a%3Ab:%C3%BC+%25');
    expect(seen.filter(({ headers }) => headers.authorization === 'Bearer t1')).toHaveLength(3);
  });

  it('an expiring token is renewed, and one that is refused is renewed once', async () => {
    let issued = 0;
    const { client, seen } = await serve(
      ({ url, headers }) => {
        if (url === '/oauth/token')
          return { body: { access_token: `t${++issued}`, expires_in: issued === 1 ? 1 : 900 } };
        return headers.authorization === 'Bearer t2'
          ? { status: 401, body: { code: 'invalid_token' } }
          : { body: makeManual(['a']) };
      },
      { credential: { oauth2: { client_id: 'c', client_secret: 's' } } },
    );
    await client.discover();
    await client.discover();
    expect(seen.filter(({ url }) => url === '/utcp').map(({ headers }) => headers.authorization)).toEqual([
      'Bearer t1',
      'Bearer t2',
      'Bearer t3',
    ]);
  });

  it('a refused grant is an AuthenticationError without the secret', async () => {
    const { client } = await serve(() => ({ status: 401, body: { error: 'invalid_client' } }), {
      credential: { oauth2: { client_id: 'c', client_secret: 'S3CRET' } },
    });
    const error = await client.discover().catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      name: 'AuthenticationError',
      code: 'invalid_client',
      message: 'Invalid client',
    });
    expect(JSON.stringify(error)).not.toContain('S3CRET');
  });
});

describe('discovery tried again', () => {
  it('after 503 as often as retries says, and no more', async () => {
    const { client, seen } = await serve(() => ({ status: 503, headers: { 'retry-after': '0' } }), { retries: 2 });
    await expect(client.discover()).rejects.toMatchObject({ name: 'UpstreamError', status: 503 });
    expect(seen).toHaveLength(3);
  });

  it('not before Retry-After has passed', async () => {
    const times: number[] = [];
    const { client } = await serve(
      () => {
        times.push(Date.now());
        return times.length === 1 ? { status: 429, headers: { 'retry-after': '1' } } : { body: makeManual([]) };
      },
      { retries: 1 },
    );
    await client.discover();
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(990);
  });

  it('not at all when Retry-After is longer than max_wait_ms: the error says how long', async () => {
    const { client, seen } = await serve(() => ({ status: 429, headers: { 'retry-after': '60' } }), { retries: 5 });
    await expect(client.discover()).rejects.toMatchObject({
      name: 'RateLimitedError',
      message: 'Rate limit exceeded',
      retry_after: 60,
    });
    expect(seen).toHaveLength(1);
  });

  it('not after a refusal', async () => {
    const { client, seen } = await serve(() => ({ status: 403, body: { code: 'not_permitted' } }), { retries: 5 });
    await expect(client.discover()).rejects.toMatchObject({ name: 'PermissionError', message: 'Not permitted' });
    expect(seen).toHaveLength(1);
  });
});
