import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { type DocumentFetch, fetchDocument } from '../../src/protocols/index.js';
import { issueCertificate, makeAuthority, writeFiles } from '../support/certificates.js';
import { makeManual, type Reply, startManualServer } from '../support/manual-server.js';
import { bearer, keyEntry, loadFiles, startServer } from '../support/server.js';

const options: DocumentFetch = {
  allow_private_hosts: ['127.0.0.1'],
  tls: {},
  base_dir: '.',
  timeout_ms: 20_000,
  max_bytes: 1000,
};

async function failure(url: string, over: Partial<DocumentFetch> = {}): Promise<string> {
  const error = await fetchDocument(url, { ...options, ...over }).catch((reason: unknown) => reason);
  if (error instanceof LoadError) return error.message;
  throw new Error(`Expected a refusal, got ${String(error)}`);
}

describe('a document from a URL', () => {
  it('arrives whole, decompressed, and with the headers that were asked for', async () => {
    const { url, seen } = await startManualServer(() => ({
      headers: { 'content-encoding': 'gzip' },
      body: gzipSync('{"tools":[]}'),
    }));
    const headers = { authorization: 'Bearer k' };
    expect(String(await fetchDocument(`${url}/m.json`, { ...options, headers }))).toBe('{"tools":[]}');
    expect(seen[0]?.headers.authorization).toBe('Bearer k');
  });

  it('is refused on a private, plain or malformed address before anything is sent (GHSA-39j6-4867-gg4w)', async () => {
    const { url, seen } = await startManualServer(() => ({ body: '{}' }));
    expect(await failure(url, { allow_private_hosts: [] })).toContain('private or loopback address');
    expect(await failure('http://93.184.216.34/m', { allow_private_hosts: [] })).toContain('plain text');
    expect(await failure('http://169.254.169.254/latest')).toContain('metadata');
    expect(await failure('https://localhost/m', { allow_private_hosts: [] })).toContain('loopback');
    expect(await failure('https://user:pw@api.example/m')).toContain('user name or password');
    expect(seen).toEqual([]);
  });

  it.each<[string, Reply, string]>([
    ['a redirect', { status: 302, headers: { location: 'http://127.0.0.1/' } }, 'redirects, which is not followed'],
    ['another status', { status: 404, body: 'secret text' }, 'answers 404'],
    ['a refusal', { status: 401 }, 'answers 401. Give the credential'],
    ['more than the bound', { body: 'x'.repeat(1001) }, 'larger than 1000 bytes'],
    ['a bomb', { headers: { 'content-encoding': 'gzip' }, body: gzipSync('x'.repeat(100_000)) }, 'larger than 1000'],
  ])('is refused for %s, and quotes nothing of the answer', async (_name, reply, words) => {
    const { url } = await startManualServer(() => reply);
    const message = await failure(url);
    expect(message).toContain(words);
    expect(message).not.toContain('secret');
  });

  it('is refused when it does not arrive in time, and when nobody answers', async () => {
    const { url } = await startManualServer(() => undefined);
    expect(await failure(url, { timeout_ms: 100 })).toContain('within 100 ms');
    // Port 2 of loopback: nobody listens there, and fetch does not bar it.
    expect(await failure('http://127.0.0.1:2')).toContain('connect_refused');
  });

  it('is taken over verified TLS alone', async () => {
    const authority = await makeAuthority();
    const { url } = await startManualServer(() => ({ body: '{}' }), await issueCertificate(authority, ['127.0.0.1']));
    const files = writeFiles({ 'ca.pem': authority.cert });
    onTestFinished(() => files.remove());
    expect(await failure(url)).toContain('tls_failed');
    const trusting = { ...options, tls: { ca_file: 'ca.pem' }, base_dir: files.dir };
    expect(String(await fetchDocument(url, trusting))).toBe('{}');
  });
});

describe('a manual entry whose source is a URL', () => {
  it('stops a start with what to mend, and leaves a running server as it is', async () => {
    const state = { status: 200 };
    const source = await startManualServer((_request, url) => ({ ...state, body: makeManual(['a'], url) }));
    const entry = { name: 'far', source: `${source.url}/m.json` };
    const config = (hosts: readonly string[]) => ({
      manuals: [{ ...entry, allow_private_hosts: hosts }],
      policy: { roles: { all: { discover: ['*'] } } },
      callers: [{ id: 'me', roles: ['all'], api_keys: { current: keyEntry('k') } }],
    });
    await expect(startServer({ config: config([]) })).rejects.toThrow(/m\.json: The URL leads to a private/);
    const server = await startServer({ config: config(['127.0.0.1']) });
    onTestFinished(() => server.close());
    state.status = 503;
    await expect(loadFiles(server.directory, { config: config(['127.0.0.1']) })).rejects.toThrow('It answers 503');
    const response = await fetch(`${server.url}/utcp`, { headers: bearer('k') });
    expect(await response.json()).toMatchObject({ tools: [{ name: 'a' }] });
  });
});
