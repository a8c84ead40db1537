import { X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeCertificate } from '../../../src/auth/index.js';
import { type Identity, issueCertificate, makeAuthority } from '../../support/certificates.js';
import { createEchoProtocols } from '../../support/echo.js';
import { forgeToken } from '../../support/forge.js';
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
      server: { tls: { cert_file: 'host.pem', key_file: 'host.key', client_ca_file: 'ca.pem' } },
      manuals: [{ name: 'm', source: 'm.yaml' }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [
        { id: 'worker', roles: ['user'], certificate: { san: 'DNS:worker.example' } },
        { id: 'alice', roles: ['user'] },
      ],
      auth: { jwt: [{ issuer: 'local', audience, secret_variable: 'UTCP_JWT_SECRET', algorithms: ['HS256'] }] },
    },
    files: {
      'host.pem': host.cert,
      'host.key': host.key,
      'ca.pem': authority.cert,
      'm.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [] },
    },
    environment: { UTCP_JWT_SECRET: secret },
    dependencies: { protocols: createEchoProtocols(), report: () => undefined },
  });
});
afterAll(() => server.close());

function discover(identity: Partial<Identity>, headers: Record<string, string> = {}) {
  const { port } = new URL(server.url);
  return new Promise<{ status: number | undefined; reason: string | undefined; caller: string | undefined }>(
    (resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port,
        path: '/utcp',
        ca: authority.cert,
        agent: false,
        headers,
        ...identity,
      };
      request(options, (response) => {
        response.resume().on('end', () => {
          const [event] = server.sink.about(String(response.headers['x-request-id']));
          resolve({ status: response.statusCode, reason: event?.reason, caller: event?.caller });
        });
      })
        .on('error', reject)
        .end();
    },
  );
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
