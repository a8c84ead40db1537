import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readCredential } from '../../src/auth/bearer.js';
import { authSchema, callerSchema } from '../../src/auth/config.js';
import { createIdentity, type Identity, IdentityState } from '../../src/auth/identity.js';
import { fetchJson } from '../support/fetch-json.js';
import { makeKey } from '../support/forge.js';
import { loadJwtVerify } from '../support/jwt-library.js';
import { IdentityProvider } from '../support/oidc.js';

const audience = 'https://tools.example';
const jwt_verify = await loadJwtVerify();
let provider: IdentityProvider;
let identity: Identity | undefined;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  // The provider warns of its in-memory store, which is what a test wants.
  vi.spyOn(console, 'warn').mockReturnValue(undefined);
  provider = new IdentityProvider();
});
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await identity?.close();
  identity = undefined;
  await provider.stop();
});
const wait = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);

function connect(auth: object): Identity {
  identity = createIdentity({
    auth: authSchema.parse({ key_sets: { max_age_s: 60, min_refresh_s: 10, max_stale_s: 60 }, ...auth }),
    callers: [callerSchema.parse({ id: 'agent', roles: ['reader'] })],
    roles: new Set(['reader']),
    load_variable: () => 'gatehouse-secret',
    public_url: () => audience,
    jwt_verify,
    state: new IdentityState(fetchJson),
  });
  identity.activate();
  return identity;
}
const connectByKeys = () => {
  const { issuer } = provider;
  const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'];
  return connect({ jwt: [{ issuer, audience, jwks_uri: `${issuer}/jwks`, algorithms, token_type: 'at+jwt' }] });
};
async function outcome(token: string): Promise<string> {
  const presented = readCredential(['Authorization', `Bearer ${token}`], '127.0.0.1');
  const verdict = await identity?.authenticator.authenticate(presented);
  if (verdict?.kind !== 'principal') return verdict?.reason ?? 'none';
  return `${verdict.principal.id} ${verdict.principal.roles} ${verdict.principal.scopes}`;
}

describe('a real identity provider (oidc-provider)', () => {
  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'] as const)(
    'signs with %s and its tokens are taken',
    async (algorithm) => {
      await provider.start([makeKey(algorithm, 'one')]);
      connectByKeys();
      expect(await outcome(await provider.issue())).toBe('agent reader tools:read');
      expect(await outcome(await provider.issue('tools:read tools:execute'))).toBe(
        'agent reader tools:execute,tools:read',
      );
    },
  );

  it('rotates its keys without a gap: old and new tokens are good, and the key set is asked for once more', async () => {
    const [one, two] = [makeKey('ES256', 'one'), makeKey('ES256', 'two')];
    await provider.start([one]);
    connectByKeys();
    const old = await provider.issue();
    expect(await outcome(old)).toBe('agent reader tools:read');
    await provider.stop();
    await provider.start([two, one]);
    wait(20);
    const fresh = await provider.issue();
    identity?.authenticator.invalidate();
    expect(await outcome(fresh)).toBe('agent reader tools:read');
    expect(await outcome(old)).toBe('agent reader tools:read');
    expect(provider.key_requests).toBe(2);
  });

  it('withdraws a key, and its tokens are refused once the set has been fetched again, those that were verified before too', async () => {
    const [one, two] = [makeKey('ES256', 'one'), makeKey('ES256', 'two')];
    await provider.start([one]);
    connectByKeys();
    const old = await provider.issue();
    expect(await outcome(old)).toBe('agent reader tools:read');
    await provider.stop();
    await provider.start([two]);
    wait(61);
    expect(await outcome(await provider.issue())).toBe('agent reader tools:read');
    expect(await outcome(old)).toBe('token_key_unknown');
  });

  it('goes away: its tokens stay good for a bounded time, are refused then, and are good again when it is back', async () => {
    const key = makeKey('ES256', 'one');
    await provider.start([key]);
    connectByKeys();
    const token = await provider.issue();
    expect(await outcome(token)).toBe('agent reader tools:read');
    await provider.stop();
    wait(119);
    expect(await outcome(token)).toBe('agent reader tools:read');
    wait(2);
    await vi.waitFor(async () => expect(await outcome(token)).toBe('issuer_unavailable'));
    await provider.start([key]);
    wait(11);
    expect(await outcome(token)).toBe('agent reader tools:read');
  });

  it('is away at the start: its tokens are refused, and good as soon as it is there', async () => {
    const key = makeKey('ES256', 'one');
    await provider.start([key]);
    const token = await provider.issue();
    connectByKeys();
    await provider.stop();
    expect(await outcome(token)).toBe('issuer_unavailable');
    await provider.start([key]);
    wait(11);
    expect(await outcome(token)).toBe('agent reader tools:read');
  });

  it('gives opaque tokens, which are asked about, remembered, and refused once revoked', async () => {
    await provider.start([makeKey('RS256', 'one')], 'opaque');
    const { issuer } = provider;
    connect({
      introspection: {
        endpoint: `${issuer}/token/introspection`,
        client_id: 'gatehouse',
        secret_variable: 'UTCP_SECRET',
        issuer,
        audience,
        max_cache_s: 30,
        subject_claim: 'client_id',
      },
    });
    const token = await provider.issue();
    expect(await outcome(token)).toBe('agent reader tools:read');
    await provider.revoke(token);
    expect(await outcome(token)).toBe('agent reader tools:read');
    wait(30);
    expect(await outcome(token)).toBe('token_inactive');
  });
});
