import { describe, expect, it } from 'vitest';
import { CallerDirectory } from '../../src/auth/caller.js';
import { authSchema } from '../../src/auth/config.js';
import { KeySets } from '../../src/auth/jwks.js';
import { createTrustedIssuers } from '../../src/auth/trusted-issuers.js';
import { LoadError } from '../../src/core/index.js';

const shared = { issuer: 'local', audience: 'x', secret_variable: 'UTCP_SECRET', algorithms: ['HS256'] };
const remote = { issuer: 'idp', audience: 'x', jwks_uri: 'https://idp.example/jwks', algorithms: ['RS256'] };

function load(jwt: readonly object[], secret = 's'.repeat(32)): readonly string[] {
  try {
    createTrustedIssuers(authSchema.parse({ jwt }), {
      callers: new CallerDirectory([]),
      roles: new Set(['reader']),
      loadVariable: () => secret,
      key_sets: new KeySets(async () => undefined),
    });
    return [];
  } catch (error) {
    if (error instanceof LoadError) return error.findings.map((finding) => `${finding.rule} ${finding.pointer}`);
    throw error;
  }
}

describe('the configured issuers', () => {
  it('stand side by side', () => {
    expect(load([shared, remote])).toEqual([]);
  });

  it.each([
    ['an issuer named twice', () => load([remote, remote]), 'issuer-duplicate /auth/jwt/1/issuer'],
    [
      'an HS256 secret of 31 octets',
      () => load([shared], 's'.repeat(31)),
      'secret-too-short /auth/jwt/0/secret_variable',
    ],
    [
      'a map to a role that is none',
      () => load([{ ...remote, roles_map: { ops: ['root'] } }]),
      'role-unknown /auth/jwt/0/roles_map/ops',
    ],
  ])('fail the load: %s', (_name, findings, expected) => {
    expect(findings()).toEqual([expected]);
  });

  it('name the variable of a short secret and never its value', () => {
    expect(load([shared], 'hunter2').join()).not.toContain('hunter2');
  });

  it.each([
    ['HS256 with a key set', { ...remote, algorithms: ['RS256', 'HS256'] }],
    ['RS256 with a secret', { ...shared, algorithms: ['RS256'] }],
    ['neither a key set nor a secret', { ...remote, jwks_uri: undefined }],
    ['both', { ...remote, secret_variable: 'UTCP_SECRET' }],
    ['no algorithm', { ...remote, algorithms: [] }],
    ['alg none', { ...remote, algorithms: ['none'] }],
    ['an unknown key', { ...remote, jwks_url: 'https://idp.example/jwks' }],
  ])('are refused by the schema: %s', (_name, issuer) => {
    expect(authSchema.safeParse({ jwt: [issuer] }).success).toBe(false);
  });
});
