import { describe, expect, it } from 'vitest';
import { CallerDirectory } from '../../src/auth/caller.js';
import { callerSchema } from '../../src/auth/config.js';
import { digestSecret } from '../../src/auth/digest.js';
import { LoadError } from '../../src/core/index.js';

const hex = (secret: string) => digestSecret(secret).toString('hex');
const callers = (...configs: readonly unknown[]) => configs.map((config) => callerSchema.parse(config));

function findingsOf(build: () => unknown) {
  try {
    build();
  } catch (error) {
    if (error instanceof LoadError) return error.findings.map((finding) => `${finding.pointer} ${finding.message}`);
    throw error;
  }
  return [];
}

describe('the caller directory', () => {
  const client = { client_id: 'batch-client', secret_sha256: hex('s'), scopes: ['tools:read'] };
  const directory = new CallerDirectory(
    callers(
      {
        id: 'alice',
        roles: ['b', 'a', 'a'],
        api_keys: { current: { sha256: hex('one') }, next: { sha256: hex('two') } },
      },
      { id: 'batch', oauth_client: client },
      { id: 'host', certificate: { san: 'DNS:Worker.example' } },
      {
        id: 'both',
        certificate: {
          san: 'URI:spiffe://a/b',
          sha256: hex('der')
            .replace(/..(?=.)/g, '$&:')
            .toUpperCase(),
        },
      },
    ),
  );
  const certificate = (secret: string, ...names: string[]) => ({
    thumbprint: digestSecret(secret).toString('base64url'),
    alternative_names: names,
    expires_at: Date.now() + 1000,
  });

  it('finds a caller by id, by either key, by client id', () => {
    expect(directory.byId('alice')?.id).toBe('alice');
    expect(directory.byKeyDigest(digestSecret('one'))?.principal).toMatchObject({ id: 'alice', roles: ['a', 'b'] });
    expect(directory.byKeyDigest(digestSecret('two'))?.principal.id).toBe('alice');
    expect(directory.byKeyDigest(digestSecret('three'))).toBeUndefined();
    expect(directory.byClientId('batch-client')?.caller.id).toBe('batch');
    expect(directory.byClientId('batch')).toBeUndefined();
  });

  it('finds a caller by alternative name, host names without case', () => {
    expect(directory.byCertificate(certificate('x', 'DNS:worker.EXAMPLE'))?.id).toBe('host');
    expect(directory.byCertificate(certificate('x', 'URI:Worker.example'))).toBeUndefined();
  });

  it('wants both thumbprint and name of a caller configured with both', () => {
    expect(directory.byCertificate(certificate('der', 'URI:spiffe://a/b'))?.id).toBe('both');
    expect(directory.byCertificate(certificate('der', 'DNS:worker.example'))).toBeUndefined();
    expect(directory.byCertificate(certificate('other', 'URI:spiffe://a/b'))).toBeUndefined();
  });

  it('refuses what two callers share, all of it at once, by pointer', () => {
    const twins = callers(
      { id: 'a', api_keys: { current: { sha256: hex('k') } }, oauth_client: client },
      { id: 'a', api_keys: { next: { sha256: hex('k').toUpperCase() } }, oauth_client: client },
      { id: 'c', certificate: { san: 'DNS:one' } },
      { id: 'd', certificate: { san: 'DNS:ONE' } },
    );
    expect(findingsOf(() => new CallerDirectory(twins))).toEqual([
      '/callers/1/id Two callers share one id.',
      '/callers/1/api_keys/next/sha256 Two callers share one API key.',
      '/callers/1/oauth_client/client_id Two callers share one client_id.',
      '/callers/3/certificate/san Two callers share one alternative name.',
    ]);
  });

  it('exchanges the keys of the keys file whole, and gives no rights to a caller it does not know', () => {
    const unknown = directory.replaceFileKeys(
      new Map([
        ['alice', [{ sha256: hex('file') }]],
        ['mallory', [{ sha256: hex('evil') }]],
      ]),
    );
    expect(unknown).toEqual(['mallory']);
    expect(directory.byKeyDigest(digestSecret('file'))?.principal.id).toBe('alice');
    expect(directory.byKeyDigest(digestSecret('evil'))).toBeUndefined();
    directory.replaceFileKeys(new Map());
    expect(directory.byKeyDigest(digestSecret('file'))).toBeUndefined();
    expect(directory.byKeyDigest(digestSecret('one'))?.principal.id).toBe('alice');
  });

  it.each([
    ['no member', {}],
    ['a bare host name', { san: 'worker.example' }],
    ['a short fingerprint', { sha256: 'AB:CD' }],
  ])('refuses a certificate with %s', (_name, certificate) => {
    expect(callerSchema.safeParse({ id: 'x', certificate }).success).toBe(false);
  });
});
