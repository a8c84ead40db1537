import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:http2';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey, describeCertificate, revokeCaller, revokeKeys } from '../../../src/auth/index.js';
import { type Identity, issueCertificate, makeAuthority } from '../../support/certificates.js';
import { createEchoProtocols } from '../../support/echo.js';
import { forgeToken } from '../../support/forge.js';
import { endSession } from '../../support/http2.js';
import { bearer, startServer, type TestServer } from '../../support/server.js';

const secret = 'a shared secret of more than 32 octets';
const audience = 'https://tools.example';
let authority: Identity;
let worker: Identity;
let stranger: Identity;
let server: TestServer;

beforeAll(async () => {
  authority = await makeAuthority();
  [worker, stranger] = await Promise.all([
    issueCertificate(authority, ['worker.example']),
    issueCertificate(authority, ['stranger.example']),
  ]);
  const host = await issueCertificate(authority, ['127.0.0.1']);
  server = await startServer({
    config: {
      server: { http2: true, tls: { cert_file: 'host.pem', key_file: 'host.key', client_ca_file: 'ca.pem' } },
      manuals: [{ name: 'm', source: 'm.yaml' }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [
        { id: 'worker', roles: ['user'], certificate: { san: 'DNS:worker.example' } },
        { id: 'alice', roles: ['user'] },
        { id: 'spare', roles: ['user'], certificate: { san: 'DNS:spare.example' } },
        { id: 'leaver', roles: ['user'], certificate: { san: 'DNS:leaver.example' } },
      ],
      auth: {
        keys_file: 'keys.yaml',
        jwt: [{ issuer: 'local', audience, secret_variable: 'UTCP_JWT_SECRET', algorithms: ['HS256'] }],
      },
    },
    files: {
      'host.pem': host.cert,
      'host.key': host.key,
      'ca.pem': authority.cert,
      'keys.yaml': 'callers: {}\n...\n',
      'm.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [] },
    },
    environment: { UTCP_JWT_SECRET: secret },
    dependencies: { protocols: createEchoProtocols(), report: () => undefined },
  });
});
afterAll(() => server.close());

/** Asks over HTTP/2, as often as there are sets of headers, on one connection. */
async function discoverByHttp2(identity: Partial<Identity>, ...requests: Record<string, string | string[]>[]) {
  const session = connect(server.url, { ca: authority.cert, ...identity });
  const statuses: unknown[] = [];
  for (const headers of requests) {
    const stream = session.request({ ':path': '/utcp', ...headers });
    stream.resume();
    statuses.push(
      await new Promise((resolve, reject) => {
        stream.on('response', (answer) => resolve(answer[':status']));
        stream.on('error', reject);
      }),
    );
  }
  await endSession(session);
  return statuses;
}

async function discover(identity: Partial<Identity>, headers: Record<string, string> = {}) {
  const { port } = new URL(server.url);
  const options = { host: '127.0.0.1', port, path: '/utcp', ca: authority.cert, agent: false, headers, ...identity };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(options, resolve).on('error', reject).end();
  });
  await response.resume().toArray();
  // Over TLS an answer can be read before the server knows that it is written.
  const find = () => server.sink.about(String(response.headers['x-request-id'])).at(0);
  await expect.poll(find).toBeDefined();
  return { status: response.statusCode, reason: find()?.reason, caller: find()?.caller };
}

describe('a server that asks for client certificates', () => {
  it('knows a caller by its certificate alone', async () => {
    expect(await discover(worker)).toMatchObject({ status: 200, caller: 'worker' });
    expect(await discover(stranger)).toMatchObject({ status: 401, reason: 'certificate_unknown' });
    expect(await discover({})).toMatchObject({ status: 401, reason: 'missing_credential' });
  });

  it('takes a bound token with its own certificate alone (RFC 8705)', async () => {
    const { thumbprint } = describeCertificate(new X509Certificate(worker.cert));
    const exp = Math.floor(Date.now() / 1000) + 60;
    const claims = { iss: 'local', aud: audience, sub: 'alice', exp, cnf: { 'x5t#S256': thumbprint } };
    const headers = bearer(forgeToken({ alg: 'HS256' }, claims, secret));
    expect(await discover(worker, headers)).toMatchObject({ status: 200, caller: 'alice' });
    expect(await discover(worker, headers)).toMatchObject({ status: 200, caller: 'alice' });
    expect(await discover(stranger, headers)).toMatchObject({ status: 401, reason: 'token_binding' });
    expect(await discover({}, headers)).toMatchObject({ status: 401, reason: 'token_binding' });
  });

  it('knows the same callers over HTTP/2, request by request', async () => {
    const { thumbprint } = describeCertificate(new X509Certificate(worker.cert));
    const exp = Math.floor(Date.now() / 1000) + 60;
    const claims = { iss: 'local', aud: audience, sub: 'alice', exp, cnf: { 'x5t#S256': thumbprint } };
    const bound = bearer(forgeToken({ alg: 'HS256' }, claims, secret));
    const { secret: key } = createKey(join(server.directory, 'keys.yaml'), 'alice');
    await expect.poll(async () => (await discover({}, bearer(key))).status, { timeout: 5000 }).toBe(200);
    expect(await discoverByHttp2(worker, {}, bound, bearer('wrong'), {})).toEqual([200, 200, 401, 200]);
    expect(await discoverByHttp2(stranger, {}, bound)).toEqual([401, 401]);
    expect(await discoverByHttp2({}, {}, bound, bearer(key), { 'x-api-key': key })).toEqual([401, 401, 200, 200]);
    expect(await discoverByHttp2({}, { 'x-api-key': [key, key] }, { ...bearer(key), 'x-api-key': key })).toEqual([
      401, 401,
    ]);
  });

  it('refuses one certificate of a caller by its fingerprint, and takes the next', async () => {
    const [lost, next] = [
      await issueCertificate(authority, ['spare.example']),
      await issueCertificate(authority, ['spare.example']),
    ];
    expect(await discover(lost)).toMatchObject({ status: 200, caller: 'spare' });
    revokeKeys(join(server.directory, 'keys.yaml'), { digest: new X509Certificate(lost.cert).fingerprint256 });
    await expect.poll(async () => (await discover(lost)).reason, { timeout: 5000 }).toBe('key_revoked');
    expect(await discover(next)).toMatchObject({ status: 200, caller: 'spare' });
  });

  it('refuses a revoked caller’s certificate within a second, on connections that stand too', async () => {
    const leaver = await issueCertificate(authority, ['leaver.example']);
    const session = connect(server.url, { ca: authority.cert, ...leaver });
    const ask = async () =>
      new Promise((resolve, reject) => {
        const stream = session.request({ ':path': '/utcp' }).resume();
        stream.on('response', (answer) => resolve(answer[':status']));
        stream.on('error', reject);
      });
    expect(await ask()).toBe(200);
    revokeCaller(join(server.directory, 'keys.yaml'), 'leaver');
    await expect.poll(ask, { timeout: 5000, interval: 50 }).toBe(401);
    expect(await discover(leaver)).toMatchObject({ status: 401, reason: 'caller_revoked' });
    await endSession(session);
  });

  it('says that it takes bound tokens (RFC 9728)', async () => {
    const { port } = new URL(server.url);
    const text = await new Promise<string>((resolve, reject) => {
      const path = '/.well-known/oauth-protected-resource';
      request({ host: '127.0.0.1', port, path, ca: authority.cert, agent: false }, async (response) => {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve(body);
      })
        .on('error', reject)
        .end();
    });
    expect(JSON.parse(text)).toMatchObject({ tls_client_certificate_bound_access_tokens: true });
  });
});
