import { createServer, type Server } from 'node:https';
import { TLSSocket, type TlsOptions } from 'node:tls';
import { Pool } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { EgressPolicy } from '../../src/protocols/egress.js';
import { createGuardedConnector, type ResolveAll } from '../../src/protocols/egress-connection.js';
import { createTlsProfile, resolveTlsProfile, type TlsProfile } from '../../src/protocols/tls.js';
import { makeBinding } from '../support/binding.js';
import { type Identity, issueCertificate, makeAuthority, writeFiles } from '../support/certificates.js';

const loopback: ResolveAll = (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]);

describe('outbound TLS', () => {
  let server: Identity;
  let expired: Identity;
  let files: ReturnType<typeof writeFiles>;
  const open: Server[] = [];

  beforeAll(async () => {
    const authority = await makeAuthority();
    const stranger = await makeAuthority('Another authority');
    server = await issueCertificate(authority, ['upstream.example', '127.0.0.1']);
    expired = await issueCertificate(authority, ['upstream.example'], {
      from: new Date('2020-01-01'),
      to: new Date('2020-02-01'),
    });
    const client = await issueCertificate(authority, ['gatehouse.example']);
    files = writeFiles({
      'ca.pem': authority.cert,
      'other-ca.pem': stranger.cert,
      'client.pem': client.cert,
      'client.key': client.key,
      'other.key': stranger.key,
      'not.pem': 'not a certificate',
    });
  });
  afterAll(() => files.remove());
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });

  async function serve(options: TlsOptions = {}): Promise<number> {
    const upstream = createServer({ ...server, ...options }, (request, response) => {
      const socket = request.socket;
      if (!(socket instanceof TLSSocket)) throw new Error('not TLS');
      const facts = { protocol: socket.getProtocol(), cipher: socket.getCipher().name };
      const peer = socket.getPeerCertificate().subject?.CN;
      response.setHeader('connection', 'close').end(JSON.stringify({ ...facts, peer }));
    });
    open.push(upstream);
    upstream.on('tlsClientError', () => undefined);
    await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
    const address = upstream.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  async function call(port: number, tls: TlsProfile, host = 'upstream.example'): Promise<unknown> {
    const policy = new EgressPolicy([host]);
    const pool = new Pool(`https://${host}:${port}`, {
      connect: createGuardedConnector({ policy, tls, resolve: loopback }),
    });
    try {
      return await (await pool.request({ path: '/', method: 'GET' })).body.json();
    } finally {
      await pool.destroy();
    }
  }
  const trusting = (): TlsProfile => createTlsProfile({ ca_file: 'ca.pem' }, files.dir);

  it('trusts the configured authority, with forward secrecy and authenticated encryption', async () => {
    const facts = await call(await serve(), trusting());
    expect(facts).toMatchObject({ protocol: 'TLSv1.3', cipher: expect.stringMatching(/^TLS_(AES|CHACHA20)/) });
    const older = await call(await serve({ maxVersion: 'TLSv1.2' }), trusting());
    expect(older).toMatchObject({ protocol: 'TLSv1.2', cipher: expect.stringMatching(/^ECDHE-.*(GCM|CHACHA20)/) });
  });

  it('trusts addresses that the certificate names', async () => {
    expect(await call(await serve(), trusting(), '127.0.0.1')).toMatchObject({ protocol: 'TLSv1.3' });
  });

  it('refuses TLS 1.1', async () => {
    const port = await serve({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
    await expect(call(port, trusting())).rejects.toThrow(/protocol|handshake|version/i);
  });

  it('refuses a cipher outside the guide’s list', async () => {
    const port = await serve({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256' });
    await expect(call(port, trusting())).rejects.toThrow(/handshake/i);
  });

  it('refuses a certificate of an unknown authority', async () => {
    const port = await serve();
    await expect(call(port, createTlsProfile({}, files.dir))).rejects.toThrow(/certificate/);
    await expect(call(port, createTlsProfile({ ca_file: 'other-ca.pem' }, files.dir))).rejects.toThrow(/certificate/);
  });

  it('refuses a certificate for another host name', async () => {
    await expect(call(await serve(), trusting(), 'other.example')).rejects.toThrow(/altnames|Hostname/);
  });

  it('refuses an expired certificate', async () => {
    await expect(call(await serve({ ...expired }), trusting())).rejects.toThrow(/expired/);
  });

  it('verifies even where NODE_TLS_REJECT_UNAUTHORIZED=0 is set', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      await expect(call(await serve(), createTlsProfile({}, files.dir))).rejects.toThrow(/certificate/);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  it('presents the configured client certificate', async () => {
    const settings = { ca_file: 'ca.pem', cert_file: 'client.pem', key_file: 'client.key' };
    const port = await serve({ requestCert: true, rejectUnauthorized: false });
    expect(await call(port, createTlsProfile(settings, files.dir))).toMatchObject({ peer: 'gatehouse.example' });
  });

  it.each([
    [{ ca_file: 'absent.pem' }, /ca_file cannot be read/],
    [{ ca_file: 'not.pem' }, /cannot be used/],
    [{ cert_file: 'client.pem' }, /needs its key/],
    [{ cert_file: 'client.pem', key_file: 'other.key' }, /cannot be used/],
  ])('refuses %j at load', (settings, message) => {
    expect(() => createTlsProfile(settings, files.dir)).toThrow(LoadError);
    expect(() => createTlsProfile(settings, files.dir)).toThrow(message);
  });

  it('refuses verify_ssl: false unless the configuration names the host, and then warns', async () => {
    const refused = makeBinding();
    expect(() => resolveTlsProfile('upstream.example', false, refused)).toThrow(/verify_ssl is false/);
    const elsewhere = makeBinding({ settings: { allow_unverified_tls_hosts: ['example'] } });
    expect(() => resolveTlsProfile('upstream.example', false, elsewhere)).toThrow(LoadError);

    const named = makeBinding({ settings: { allow_unverified_tls_hosts: ['upstream.example'] } });
    const profile = resolveTlsProfile('upstream.example', false, named);
    expect(named.notices).toMatchObject([{ rule: 'tls-unverified', severity: 'warning' }]);
    expect(await call(await serve(), profile)).toMatchObject({ protocol: 'TLSv1.3' });
  });

  it('shares no connection between profiles that differ', () => {
    const keys = [
      createTlsProfile({}, files.dir),
      createTlsProfile({}, files.dir, false),
      createTlsProfile({ ca_file: 'ca.pem' }, files.dir),
      createTlsProfile({ ca_file: 'other-ca.pem' }, files.dir),
    ].map((profile) => profile.key);
    expect(new Set(keys).size).toBe(4);
    expect(trusting().key).toBe(trusting().key);
  });
});
