import { createPublicKey } from 'node:crypto';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify as joseVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { readCredential } from '../../src/auth/bearer.js';
import { CallerDirectory } from '../../src/auth/caller.js';
import { createAuthenticator } from '../../src/auth/chain.js';
import { callerSchema } from '../../src/auth/config.js';
import type { AuthFailureReason } from '../../src/auth/credential.js';
import { digestSecret } from '../../src/auth/digest.js';
import { TokenIssuer, type TokenRequest } from '../../src/auth/issuer.js';
import { JwtVerifier } from '../../src/auth/jwt.js';
import { KeyRing, type KeyRingOptions } from '../../src/auth/key-ring.js';
import { loadJwtVerify } from '../support/jwt-library.js';

const url = 'https://tools.example';
// A secret that reads differently once it is form-decoded.
const secret = 'se:cr%3Aet';
const form = 'application/x-www-form-urlencoded';
const clientConfig = (scopes: readonly string[]) =>
  callerSchema.parse({
    id: 'batch',
    roles: ['admin'],
    oauth_client: { client_id: 'batch-client', secret_sha256: digestSecret(secret).toString('hex'), scopes },
  });
const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
const verify = await loadJwtVerify();

function setUp(options: { ring?: Partial<KeyRingOptions>; revoked?: () => AuthFailureReason | undefined } = {}) {
  const callers = new CallerDirectory([clientConfig(['tools:read', 'tools:execute'])]);
  const keys = new KeyRing({ algorithm: 'ES256', rotation_ms: 86_400_000, lifetime_ms: 900_000, ...options.ring });
  const revocations = { refuse: () => options.revoked?.() };
  const issuer = new TokenIssuer({ callers, keys, public_url: () => url, token_lifetime_s: 900, revocations });
  const verifier = new JwtVerifier({ issuers: [issuer.trust()], verify, clock_tolerance_ms: 0 });
  return { issuer, keys, callers, chain: createAuthenticator({ verifiers: [verifier] }) };
}

const request = (parameters: Record<string, string>, more: Partial<TokenRequest> = {}): TokenRequest => ({
  content_type: form,
  body: new URLSearchParams({ grant_type: 'client_credentials', ...parameters }).toString(),
  authorization: undefined,
  ...more,
});
const inBody = { client_id: 'batch-client', client_secret: secret };
const bearer = (token: unknown) => readCredential(['Authorization', `Bearer ${token}`], '127.0.0.1');

describe('the token endpoint', () => {
  it('issues an RFC 9068 access token that a standard verifier takes', async () => {
    const { issuer } = setUp();
    const answer = await issuer.issue(request(inBody));
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'cache-control': 'no-store' },
      body: { token_type: 'Bearer', expires_in: 900, scope: 'tools:execute tools:read' },
      outcome: { kind: 'issued', caller: 'batch', scope: 'tools:execute tools:read' },
    });
    const token = String(answer.body.access_token);
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    const { keys } = issuer.publishKeys();
    const set = createLocalJWKSet({ keys: keys.map((key) => ({ kty: key.kty ?? '', ...key })) });
    const { payload } = await joseVerify(token, set, { issuer: url, audience: url, typ: 'at+jwt' });
    expect(payload).toMatchObject({ sub: 'batch', client_id: 'batch-client', scope: 'tools:execute tools:read' });
  });

  it('issues tokens that this server takes, as the configured caller', async () => {
    const { issuer, chain } = setUp();
    const { body } = await issuer.issue(request({ ...inBody, scope: 'tools:read' }));
    expect(await chain.authenticate(bearer(body.access_token))).toMatchObject({
      kind: 'principal',
      principal: { id: 'batch', source: 'oauth', roles: ['admin'], scopes: ['tools:read'] },
    });
  });

  it('takes the official client’s two simultaneous requests, and neither token ends the other', async () => {
    const { issuer, chain } = setUp();
    const answers = await Promise.all([
      issuer.issue(request({ ...inBody, scope: '' })),
      issuer.issue(request({ scope: '' }, { authorization: basic('batch-client', secret) })),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
    for (const { body } of answers) {
      expect(await chain.authenticate(bearer(body.access_token))).toMatchObject({ kind: 'principal' });
    }
  });

  it('takes Basic credentials form-encoded, as RFC 6749 section 2.3.1 has it, and as they are', async () => {
    const { issuer } = setUp();
    for (const form of [secret, encodeURIComponent(secret)]) {
      const answer = await issuer.issue(request({}, { authorization: basic('batch-client', form) }));
      expect(answer.status).toBe(200);
    }
  });

  it('takes the same credentials in header and body', async () => {
    const { issuer } = setUp();
    const authorization = basic('batch-client', secret);
    expect(await issuer.issue(request(inBody, { authorization }))).toMatchObject({ status: 200 });
    expect(await issuer.issue(request({ client_id: 'batch-client' }, { authorization }))).toMatchObject({
      status: 200,
    });
  });

  it.each(['', 'None', '   '])('takes scope=%j as absent', async (scope) => {
    const { body } = await setUp().issuer.issue(request({ ...inBody, scope }));
    expect(body).toMatchObject({ scope: 'tools:execute tools:read' });
  });

  it.each<[string, TokenRequest, number, string, string | undefined]>([
    ['a wrong secret', request({ ...inBody, client_secret: 'x' }), 401, 'invalid_client', 'client_secret'],
    ['an unknown client', request({ ...inBody, client_id: 'x' }), 401, 'invalid_client', 'client_unknown'],
    ['no credentials', request({}), 401, 'invalid_client', 'missing_credential'],
    [
      'a wrong secret by Basic',
      request({}, { authorization: basic('batch-client', 'x') }),
      401,
      'invalid_client',
      'client_secret',
    ],
    [
      'a scope beyond the client’s',
      request({ ...inBody, scope: 'tools:read admin' }),
      400,
      'invalid_scope',
      'scope_not_granted',
    ],
    ['another grant type', request({ ...inBody, grant_type: 'password' }), 400, 'unsupported_grant_type', undefined],
    ['no grant type', request(inBody, { body: 'client_id=a' }), 400, 'invalid_request', undefined],
    ['a parameter twice', request(inBody, { body: 'grant_type=a&grant_type=b' }), 400, 'invalid_request', undefined],
    [
      'a JSON body',
      request(inBody, { content_type: 'application/json', body: '{}' }),
      400,
      'invalid_request',
      undefined,
    ],
    ['a huge body', request({ ...inBody, pad: 'x'.repeat(20_000) }), 400, 'invalid_request', undefined],
    ['a bearer token for credentials', request({}, { authorization: 'Bearer abc' }), 400, 'invalid_request', undefined],
    [
      'two different credentials',
      request({ ...inBody, client_secret: 'x' }, { authorization: basic('a', 'b') }),
      400,
      'invalid_request',
      undefined,
    ],
    [
      'a resource elsewhere (RFC 8707)',
      request({ ...inBody, resource: 'https://other.example' }),
      400,
      'invalid_target',
      undefined,
    ],
    [
      'a resource that begins like ours',
      request({ ...inBody, resource: `${url}.evil.example` }),
      400,
      'invalid_target',
      undefined,
    ],
  ])('refuses %s', async (_name, asked, status, error, reason) => {
    const answer = await setUp().issuer.issue(asked);
    expect(answer).toMatchObject({ status, body: { error }, headers: { 'cache-control': 'no-store' } });
    expect(answer.outcome).toMatchObject(reason ? { kind: 'refused', reason } : { kind: 'malformed', error });
    expect(JSON.stringify(answer)).not.toContain(secret);
  });

  it('answers a failed Basic attempt with that scheme (RFC 6749 section 5.2)', async () => {
    const answer = await setUp().issuer.issue(request({}, { authorization: basic('a', 'b') }));
    expect(answer.headers['www-authenticate']).toMatch(/^Basic /);
  });

  it('says the same to an unknown client as to a wrong secret', async () => {
    const { issuer } = setUp();
    const [unknown, wrong] = await Promise.all([
      issuer.issue(request({ ...inBody, client_id: 'x' })),
      issuer.issue(request({ ...inBody, client_secret: 'x' })),
    ]);
    expect(unknown.body).toEqual(wrong.body);
    expect(wrong.outcome).toMatchObject({ claimed: 'batch' });
    expect(unknown.outcome).not.toHaveProperty('claimed');
  });

  it('issues nothing to a revoked caller', async () => {
    const { issuer } = setUp({ revoked: () => 'caller_revoked' });
    expect(await issuer.issue(request(inBody))).toMatchObject({ status: 401, outcome: { reason: 'caller_revoked' } });
  });

  it('takes no token of a client that is gone, and no scope that the client lost', async () => {
    const { issuer, keys } = setUp();
    const { body } = await issuer.issue(request(inBody));
    const under = (callers: CallerDirectory) => {
      const later = new TokenIssuer({ callers, keys, public_url: () => url, token_lifetime_s: 900 });
      const verifier = new JwtVerifier({ issuers: [later.trust()], verify, clock_tolerance_ms: 0 });
      return createAuthenticator({ verifiers: [verifier] }).authenticate(bearer(body.access_token));
    };
    expect(await under(new CallerDirectory([]))).toMatchObject({ kind: 'rejected', reason: 'client_unknown' });
    expect(await under(new CallerDirectory([clientConfig(['tools:read'])]))).toMatchObject({
      principal: { scopes: ['tools:read'] },
    });
  });

  it('signs with EdDSA where that is configured', async () => {
    const { issuer, chain } = setUp({ ring: { algorithm: 'EdDSA' } });
    const { body } = await issuer.issue(request(inBody));
    expect(decodeProtectedHeader(String(body.access_token)).alg).toBe('EdDSA');
    expect(await chain.authenticate(bearer(body.access_token))).toMatchObject({ kind: 'principal' });
  });

  it('publishes public keys alone', () => {
    for (const key of setUp().issuer.publishKeys().keys) {
      expect(key).not.toHaveProperty('d');
      expect(createPublicKey({ key, format: 'jwk' }).type).toBe('public');
    }
  });
});
