import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readCredential } from '../../src/auth/bearer.js';
import { CallerDirectory } from '../../src/auth/caller.js';
import { createAuthenticator } from '../../src/auth/chain.js';
import { callerSchema, introspectionSchema } from '../../src/auth/config.js';
import { IntrospectionVerifier } from '../../src/auth/introspection.js';
import { createSecret } from '../../src/auth/secret.js';
import { SubjectMapper } from '../../src/auth/subject.js';
import { fetchJson } from '../support/fetch-json.js';
import { answerJson, answerNothing, type ProviderBehaviour, StubProvider } from '../support/provider.js';

const start = 1_900_000_000_000;
const second = start / 1000;
let now = start;
let provider: StubProvider;
let asked: { authorization: string | undefined; body: string }[];

const answering =
  (value: object): ProviderBehaviour =>
  (request, response, body) => {
    asked.push({ authorization: request.headers.authorization, body });
    answerJson(value)(request, response, body);
  };

beforeEach(async () => {
  now = start;
  asked = [];
  provider = new StubProvider(answering({ active: true, sub: 'alice', scope: 'tools:read', exp: second + 600 }));
  await provider.start();
});
afterEach(() => provider.stop());

function setUp(more: object = {}) {
  const config = introspectionSchema.parse({
    endpoint: `${provider.url}/introspect`,
    client_id: 'gate way',
    secret_variable: 'UTCP_SECRET',
    timeout_ms: 2000,
    ...more,
  });
  const callers = new CallerDirectory([callerSchema.parse({ id: 'alice', roles: ['reader'] })]);
  const subjects = new SubjectMapper(config, callers, new Set(['reader', 'admin']));
  const options = { config, client_secret: 's&cret', subjects, fetch_json: fetchJson, clock_tolerance_ms: 5000 };
  const verifier = new IntrospectionVerifier({ ...options, now: () => now });
  return createAuthenticator({ verifiers: [verifier], now: () => now });
}
const bearer = (token = 'opaque-token') => readCredential(['Authorization', `Bearer ${token}`], '127.0.0.1');

describe('an opaque token', () => {
  it('is asked about as RFC 7662 has it', async () => {
    expect(await setUp().authenticate(bearer())).toMatchObject({
      kind: 'principal',
      principal: { id: 'alice', source: 'introspection', roles: ['reader'], scopes: ['tools:read'] },
    });
    const authorization = `Basic ${Buffer.from('gate+way:s%26cret').toString('base64')}`;
    expect(asked).toEqual([{ authorization, body: 'token=opaque-token&token_type_hint=access_token' }]);
  });

  it('is believed for max_cache_s at most', async () => {
    const chain = setUp({ max_cache_s: 60 });
    await chain.authenticate(bearer());
    now = start + 59_999;
    expect(chain.authenticate(bearer())).toMatchObject({ fresh: false });
    now = start + 60_000;
    expect(await chain.authenticate(bearer())).toMatchObject({ fresh: true });
  });

  it('is never believed past its own exp', async () => {
    provider.behave = answering({ active: true, sub: 'alice', exp: second + 10 });
    const chain = setUp({ max_cache_s: 60 });
    await chain.authenticate(bearer());
    now = start + 10_000;
    provider.behave = answering({ active: false });
    expect(await chain.authenticate(bearer())).toMatchObject({ reason: 'token_inactive' });
  });

  it('is asked about once by requests that come together', async () => {
    const chain = setUp();
    await Promise.all(Array.from({ length: 50 }, () => chain.authenticate(bearer())));
    expect(provider.requests).toBe(1);
  });

  it('cannot make the server open connections without end', async () => {
    provider.behave = answerNothing;
    const chain = setUp({ max_concurrent: 3 });
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, (_, index) => chain.authenticate(bearer(`t${index}`))),
    );
    expect(verdicts.every((verdict) => verdict.kind === 'rejected' && verdict.reason === 'issuer_unavailable')).toBe(
      true,
    );
    expect(provider.requests).toBe(3);
  });

  it.each([
    ['a key in our own form', createSecret()],
    ['a JWT', 'eyJhbGciOiJub25lIn0.e30.'],
  ])('that is %s is never sent to the provider', async (_name, token) => {
    expect(await setUp().authenticate(bearer(token))).toMatchObject({ reason: 'unknown_key' });
    expect(provider.requests).toBe(0);
  });

  it('in X-API-Key is never sent to the provider', async () => {
    const presented = readCredential(['X-API-Key', 'opaque-token'], '127.0.0.1');
    expect(await setUp().authenticate(presented)).toMatchObject({ reason: 'unknown_key' });
    expect(provider.requests).toBe(0);
  });

  it.each<[string, object, string, object?]>([
    ['is not active', { active: false, sub: 'alice' }, 'token_inactive'],
    ['has expired by our clock', { active: true, sub: 'alice', exp: second - 60 }, 'token_expired'],
    ['is not valid yet', { active: true, sub: 'alice', nbf: second + 60 }, 'token_not_yet_valid'],
    ['has an expiry as text', { active: true, sub: 'alice', exp: '9' }, 'token_claims'],
    ['has no subject', { active: true, client_id: 'alice' }, 'token_claims'],
    [
      'is of another issuer',
      { active: true, sub: 'alice', iss: 'x' },
      'token_issuer',
      { issuer: 'https://idp.example' },
    ],
    ['names no issuer where one is asked for', { active: true, sub: 'alice' }, 'token_issuer', { issuer: 'x' }],
    ['is for somebody else', { active: true, sub: 'alice', aud: ['x'] }, 'token_audience', { audience: 'us' }],
    ['is for nobody', { active: true, sub: 'alice' }, 'token_audience', { audience: 'us' }],
    ['is a refresh token', { active: true, sub: 'alice', token_type: 'refresh_token' }, 'token_type'],
    ['is bound to a key that we cannot check', { active: true, sub: 'alice', cnf: { jkt: 'x' } }, 'token_binding'],
    [
      'is bound to a certificate that did not come',
      { active: true, sub: 'a', cnf: { 'x5t#S256': 'x' } },
      'token_binding',
    ],
  ])('is refused when it %s', async (_name, answer, reason, config = {}) => {
    provider.behave = answering(answer);
    expect(await setUp(config).authenticate(bearer())).toMatchObject({ kind: 'rejected', reason });
  });

  it('may have its subject elsewhere, where the configuration says so', async () => {
    provider.behave = answering({ active: true, client_id: 'batch' });
    const chain = setUp({ subject_claim: 'client_id', subject_prefix: 'idp:' });
    expect(await chain.authenticate(bearer())).toMatchObject({ principal: { id: 'idp:batch' } });
  });

  it.each<[string, ProviderBehaviour]>([
    ['is slow', answerNothing],
    ['answers 401', (_request, response) => response.writeHead(401).end('{"active":true,"sub":"alice"}')],
    ['answers garbage', (_request, response) => response.end('active=true')],
    ['answers without `active`', answerJson({ sub: 'alice' })],
    ['answers `active` as text', answerJson({ active: 'true', sub: 'alice' })],
    ['answers with too much', answerJson({ active: true, sub: 'alice', pad: 'x'.repeat(20_000) })],
    ['redirects', (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end()],
  ])('is refused while the provider %s, and that is not remembered', async (_name, behaviour) => {
    const good = provider.behave;
    provider.behave = behaviour;
    const chain = setUp();
    expect(await chain.authenticate(bearer())).toEqual({ kind: 'rejected', reason: 'issuer_unavailable' });
    provider.behave = good;
    expect(await chain.authenticate(bearer())).toMatchObject({ kind: 'principal' });
  });

  it('is refused while the provider is down, unless it was asked about within max_cache_s', async () => {
    const chain = setUp();
    await chain.authenticate(bearer());
    await provider.stop();
    expect(chain.authenticate(bearer())).toMatchObject({ kind: 'principal' });
    expect(await chain.authenticate(bearer('other'))).toMatchObject({ reason: 'issuer_unavailable' });
    now = start + 60_000;
    expect(await chain.authenticate(bearer())).toMatchObject({ reason: 'issuer_unavailable' });
  });
});
