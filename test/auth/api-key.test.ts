import { describe, expect, it } from 'vitest';
import { ApiKeyVerifier } from '../../src/auth/api-key.js';
import { CallerDirectory } from '../../src/auth/caller.js';
import { callerSchema } from '../../src/auth/config.js';
import type { PresentedCredential } from '../../src/auth/credential.js';
import { digestSecret } from '../../src/auth/digest.js';

const start = Date.parse('2030-01-01T00:00:00Z');
const instant = (offset: number) => new Date(start + offset).toISOString();
const present = (token: string, transport: PresentedCredential['transport'] = 'bearer'): PresentedCredential => ({
  token,
  transport,
  certificate: undefined,
  address: '127.0.0.1',
});

describe('an API key', () => {
  const alice = callerSchema.parse({
    id: 'alice',
    roles: ['reader'],
    api_keys: {
      current: { sha256: digestSecret('old').toString('hex'), expires_at: instant(1000) },
      next: { sha256: digestSecret('new').toString('hex'), not_before: instant(500) },
    },
  });
  let now = start;
  const verifier = new ApiKeyVerifier(new CallerDirectory([alice]), () => now);
  const outcome = (token: string) => {
    const verdict = verifier.verify(present(token));
    return verdict.kind === 'rejected' ? verdict.reason : verdict.kind;
  };

  it('is good in its own window alone, so current and next overlap and a rotation has no gap', () => {
    const seen = [0, 499, 500, 999, 1000, 5000].map((offset) => {
      now = start + offset;
      return [offset, outcome('old'), outcome('new')];
    });
    expect(seen).toEqual([
      [0, 'principal', 'key_not_yet_valid'],
      [499, 'principal', 'key_not_yet_valid'],
      [500, 'principal', 'principal'],
      [999, 'principal', 'principal'],
      [1000, 'key_expired', 'principal'],
      [5000, 'key_expired', 'principal'],
    ]);
  });

  it('may come as X-API-Key too', () => {
    now = start;
    expect(verifier.verify(present('old', 'x_api_key'))).toMatchObject({
      kind: 'principal',
      principal: { id: 'alice', source: 'api_key', roles: ['reader'], scopes: undefined },
      expires_at: start + 1000,
    });
  });

  it('is left to the other kinds when it is unknown', () => {
    expect(verifier.verify(present('guess'))).toEqual({ kind: 'not_mine' });
  });

  it('names the caller of an expired key, for the failure budget', () => {
    now = start + 2000;
    expect(verifier.verify(present('old'))).toEqual({ kind: 'rejected', reason: 'key_expired', claimed: 'alice' });
  });

  it('never carries the key itself in the principal', () => {
    now = start;
    expect(JSON.stringify(verifier.verify(present('old')))).not.toContain('old');
  });
});
