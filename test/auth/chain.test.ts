import { describe, expect, it } from 'vitest';
import { readCredential } from '../../src/auth/bearer.js';
import { type AuthenticatorOptions, createAuthenticator } from '../../src/auth/chain.js';
import type {
  AuthFailureReason,
  CredentialVerdict,
  CredentialVerifier,
  PresentedCredential,
} from '../../src/auth/credential.js';
import { digestCredential } from '../../src/auth/digest.js';
import type { Principal, PrincipalSource } from '../../src/core/index.js';

const bearer = (token: string) => readCredential(['Authorization', `Bearer ${token}`], '127.0.0.1');
const header = (token: string) => readCredential(['X-API-Key', token], '127.0.0.1');

function principal(id: string, token: string, source: PrincipalSource = 'api_key'): Principal {
  return { id, source, roles: [], scopes: undefined, claims: {}, credential_digest: digestCredential(token) };
}

/** Knows tokens that begin with `prefix`, and counts how often it was asked. */
class CountingVerifier implements CredentialVerifier {
  readonly kind = 'counting';
  asked = 0;
  constructor(
    readonly prefix: string,
    readonly late = false,
    readonly more: Partial<Extract<CredentialVerdict, { kind: 'principal' }>> = {},
    readonly source: PrincipalSource = 'api_key',
  ) {}
  verify({ token }: PresentedCredential): CredentialVerdict | Promise<CredentialVerdict> {
    this.asked++;
    const verdict: CredentialVerdict = token?.startsWith(this.prefix)
      ? { kind: 'principal', principal: principal('alice', token, this.source), expires_at: undefined, ...this.more }
      : { kind: 'not_mine' };
    return this.late ? Promise.resolve(verdict) : verdict;
  }
}

function setUp(verifier: CredentialVerifier, options: Partial<AuthenticatorOptions> = {}) {
  return createAuthenticator({ verifiers: [verifier], ...options });
}

describe('the authenticator', () => {
  it('asks each kind in order, waits for a late one, and rejects what nobody knows', async () => {
    const first = new CountingVerifier('a', true);
    const second = new CountingVerifier('b');
    const chain = createAuthenticator({ verifiers: [first, second] });
    expect(await chain.authenticate(bearer('b1'))).toMatchObject({ kind: 'principal', fresh: true });
    expect(await chain.authenticate(bearer('c1'))).toEqual({ kind: 'rejected', reason: 'unknown_key' });
    expect([first.asked, second.asked]).toEqual([2, 2]);
  });

  it('rejects nothing and nonsense without asking anybody', () => {
    const verifier = new CountingVerifier('');
    const chain = setUp(verifier);
    expect(chain.authenticate(readCredential([], '::1'))).toMatchObject({ reason: 'missing_credential' });
    expect(chain.authenticate(readCredential(['Authorization', 'Basic YQ=='], '::1'))).toMatchObject({
      reason: 'malformed_credential',
    });
    expect(verifier.asked).toBe(0);
  });

  it('remembers a verified credential, synchronously, and says that it is not fresh', async () => {
    const verifier = new CountingVerifier('a', true);
    const chain = setUp(verifier);
    expect(await chain.authenticate(bearer('a1'))).toMatchObject({ fresh: true });
    expect(chain.authenticate(bearer('a1'))).toMatchObject({ kind: 'principal', fresh: false });
    expect(verifier.asked).toBe(1);
  });

  it('never remembers a credential past its expiry', () => {
    let now = 1000;
    const verifier = new CountingVerifier('a', false, { expires_at: 2000 });
    const chain = setUp(verifier, { now: () => now });
    chain.authenticate(bearer('a1'));
    now = 1999;
    expect(chain.authenticate(bearer('a1'))).toMatchObject({ fresh: false });
    now = 2000;
    expect(chain.authenticate(bearer('a1'))).toMatchObject({ fresh: true });
    expect(verifier.asked).toBe(2);
  });

  it('remembers no rejected credential', () => {
    const verifier = new CountingVerifier('a');
    const chain = setUp(verifier);
    chain.authenticate(bearer('x'));
    chain.authenticate(bearer('x'));
    expect(verifier.asked).toBe(2);
  });

  it('keeps to its bound and lets the longest unused go first', () => {
    const verifier = new CountingVerifier('a');
    const chain = setUp(verifier, { cache_size: 2 });
    for (const token of ['a1', 'a2', 'a1', 'a3']) chain.authenticate(bearer(token));
    expect(chain.authenticate(bearer('a1'))).toMatchObject({ fresh: false });
    expect(chain.authenticate(bearer('a2'))).toMatchObject({ fresh: true });
  });

  it('does not let a flood of bad credentials push a verified one out', () => {
    const verifier = new CountingVerifier('a');
    const chain = setUp(verifier, { cache_size: 10 });
    chain.authenticate(bearer('a1'));
    for (let index = 0; index < 1000; index++) chain.authenticate(bearer(`x${index}`));
    expect(chain.authenticate(bearer('a1'))).toMatchObject({ fresh: false });
  });

  it('asks again after an invalidation', () => {
    const verifier = new CountingVerifier('a');
    const chain = setUp(verifier);
    chain.authenticate(bearer('a1'));
    chain.invalidate();
    expect(chain.authenticate(bearer('a1'))).toMatchObject({ fresh: true });
  });

  it('does not remember a verification that an invalidation overtook', async () => {
    const verifier = new CountingVerifier('a', true);
    const chain = setUp(verifier);
    const pending = chain.authenticate(bearer('a1'));
    chain.invalidate();
    expect(await pending).toMatchObject({ fresh: true });
    expect(await chain.authenticate(bearer('a1'))).toMatchObject({ fresh: true });
    expect(verifier.asked).toBe(2);
  });

  it.each<AuthFailureReason>(['caller_revoked', 'key_revoked', 'token_revoked'])(
    'refuses a good credential: %s',
    (reason) => {
      const chain = setUp(new CountingVerifier('a', false, { token_id: 'jti-1' }), {
        revocations: {
          refuse: (caller, digest, tokenId) =>
            caller === 'alice' && digest === digestCredential('a1') && tokenId === 'jti-1' ? reason : undefined,
        },
      });
      expect(chain.authenticate(bearer('a1'))).toEqual({ kind: 'rejected', reason, claimed: 'alice' });
      expect(chain.authenticate(bearer('a2'))).toMatchObject({ kind: 'principal' });
    },
  );

  it('lets an API key come by either header, and another token as the bearer token alone', () => {
    const keys = setUp(new CountingVerifier('a'));
    keys.authenticate(bearer('a1'));
    expect(keys.authenticate(header('a1'))).toMatchObject({ fresh: false });
    const tokens = setUp(new CountingVerifier('a', false, {}, 'jwt'));
    tokens.authenticate(bearer('a1'));
    expect(tokens.authenticate(header('a1'))).toMatchObject({ fresh: true });
  });

  it('wants the bound certificate at every request, remembered tokens included (RFC 8705 section 3)', () => {
    const chain = setUp(new CountingVerifier('a', false, { bound_to: 'thumb' }, 'jwt'));
    const withCertificate = (thumbprint: string) => ({
      ...bearer('a1'),
      certificate: { thumbprint, alternative_names: [], expires_at: Date.now() + 1000 },
    });
    expect(chain.authenticate(bearer('a1'))).toMatchObject({ reason: 'token_binding' });
    expect(chain.authenticate(withCertificate('thumb'))).toMatchObject({ kind: 'principal', fresh: true });
    expect(chain.authenticate(withCertificate('thumb'))).toMatchObject({ kind: 'principal', fresh: false });
    expect(chain.authenticate(withCertificate('other'))).toMatchObject({ reason: 'token_binding' });
    expect(chain.authenticate(bearer('a1'))).toMatchObject({ reason: 'token_binding' });
  });
});
