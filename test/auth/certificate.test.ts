import { X509Certificate } from 'node:crypto';
import { createServer, request, type Server } from 'node:https';
import { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCredential } from '../../src/auth/bearer.js';
import { CallerDirectory } from '../../src/auth/caller.js';
import { CertificateVerifier, describeCertificate, parseAlternativeNames } from '../../src/auth/certificate.js';
import { createAuthenticator } from '../../src/auth/chain.js';
import { callerSchema } from '../../src/auth/config.js';
import { type Identity, issueCertificate, makeAuthority } from '../support/certificates.js';
import { addressOf } from '../support/provider.js';

describe('the names of a certificate', () => {
  it.each([
    [
      'DNS:a.example, URI:spiffe://x/y, email:me@example.com',
      ['DNS:a.example', 'URI:spiffe://x/y', 'email:me@example.com'],
    ],
    ['IP Address:127.0.0.1', ['IP Address:127.0.0.1']],
    ['DNS:"evil, DNS:trusted.example, DNS:x"', ['DNS:evil, DNS:trusted.example, DNS:x']],
    ['URI:"https://a.example/b\\u002c DNS:trusted.example"', ['URI:https://a.example/b, DNS:trusted.example']],
    ['', []],
    ['DNS:"open', []],
    ['nonsense', []],
    ['DNS:a"b, DNS:trusted.example', []],
  ])('%j are %j, so that no name passes for two (CVE-2021-44532)', (text, names) => {
    expect(parseAlternativeNames(text)).toEqual(names);
  });
});

describe('a client certificate', () => {
  let authority: Identity;
  let worker: Identity;
  let stranger: Identity;
  let server: Server;
  let answer: (socket: TLSSocket, headers: readonly string[]) => Promise<unknown>;

  beforeAll(async () => {
    authority = await makeAuthority();
    worker = await issueCertificate(authority, ['worker.example']);
    stranger = await issueCertificate(authority, ['stranger.example']);
    const host = await issueCertificate(authority, ['127.0.0.1']);
    const options = { ...host, ca: authority.cert, requestCert: true, rejectUnauthorized: false };
    server = createServer(options, async (incoming, response) => {
      const { socket } = incoming;
      const verdict = socket instanceof TLSSocket ? await answer(socket, incoming.rawHeaders) : 'plain';
      response.end(JSON.stringify(verdict));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  function serve(callers: readonly unknown[]) {
    const directory = new CallerDirectory(callers.map((caller) => callerSchema.parse(caller)));
    const chain = createAuthenticator({ verifiers: [new CertificateVerifier(directory)] });
    answer = async (socket, headers) => {
      const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
      return chain.authenticate(readCredential(headers, '127.0.0.1', certificate && describeCertificate(certificate)));
    };
  }

  const connect = (identity: Partial<Identity>, headers: Record<string, string> = {}) =>
    new Promise<unknown>((resolve, reject) => {
      const { port } = addressOf(server);
      const options = { host: '127.0.0.1', port, ca: authority.cert, agent: false, headers, ...identity };
      request(options, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve(JSON.parse(text));
      })
        .on('error', reject)
        .end();
    });

  it('names the caller by its alternative name, and is remembered', async () => {
    serve([{ id: 'worker', roles: ['reader'], certificate: { san: 'DNS:worker.example' } }]);
    expect(await connect(worker)).toMatchObject({
      kind: 'principal',
      fresh: true,
      principal: { id: 'worker', source: 'mtls', roles: ['reader'] },
    });
    expect(await connect(worker)).toMatchObject({ kind: 'principal', fresh: false });
    expect(await connect(stranger)).toMatchObject({ kind: 'rejected', reason: 'certificate_unknown' });
  });

  it('names the caller by its SHA-256 thumbprint', async () => {
    const sha256 = new X509Certificate(worker.cert).fingerprint256;
    serve([{ id: 'worker', certificate: { sha256 } }]);
    expect(await connect(worker)).toMatchObject({ principal: { id: 'worker' } });
    expect(await connect(stranger)).toMatchObject({ reason: 'certificate_unknown' });
  });

  it('of another authority is as good as none', async () => {
    serve([{ id: 'worker', certificate: { san: 'DNS:worker.example' } }]);
    const forged = await issueCertificate(await makeAuthority('Another authority'), ['worker.example']);
    expect(await connect(forged)).toMatchObject({ reason: 'missing_credential' });
    expect(await connect({})).toMatchObject({ reason: 'missing_credential' });
  });

  it('beside a token is not what counts', async () => {
    serve([{ id: 'worker', certificate: { san: 'DNS:worker.example' } }]);
    expect(await connect(worker, { authorization: 'Bearer wrong' })).toMatchObject({ reason: 'unknown_key' });
  });

  it('that has expired names nobody, also on a connection that is still open', () => {
    const directory = new CallerDirectory([
      callerSchema.parse({ id: 'w', certificate: { san: 'DNS:worker.example' } }),
    ]);
    const certificate = describeCertificate(new X509Certificate(worker.cert));
    let now = certificate.expires_at - 1;
    const chain = createAuthenticator({ verifiers: [new CertificateVerifier(directory, () => now)], now: () => now });
    const presented = readCredential([], '127.0.0.1', certificate);
    expect(chain.authenticate(presented)).toMatchObject({ kind: 'principal' });
    now++;
    expect(chain.authenticate(presented)).toMatchObject({ reason: 'certificate_unknown' });
  });
});
