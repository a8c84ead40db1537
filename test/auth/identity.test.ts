import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { readCredential } from '../../src/auth/bearer.js';
import { authSchema, callerSchema } from '../../src/auth/config.js';
import { digestSecret } from '../../src/auth/digest.js';
import { createIdentity, type Identity, type IdentityOptions, IdentityState } from '../../src/auth/identity.js';
import { createKey, revokeCaller, revokeKeys, revokeToken } from '../../src/auth/keys-edit.js';
import { LoadError } from '../../src/core/index.js';
import { createMemoryBlockList } from '../../src/limits/index.js';
import { loadJwtVerify } from '../support/jwt-library.js';
import { useScratch } from '../support/scratch.js';

const jwt_verify = await loadJwtVerify();
const scratch = useScratch();
const open: Identity[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((identity) => identity.close()));
});

const callers = [
  callerSchema.parse({ id: 'alice', roles: ['reader'] }),
  callerSchema.parse({
    id: 'batch',
    oauth_client: { client_id: 'batch', secret_sha256: digestSecret('s').toString('hex'), scopes: ['tools:read'] },
  }),
];

function optionsOf(auth: object): IdentityOptions {
  return {
    auth: authSchema.parse(auth),
    callers,
    roles: new Set(['reader']),
    load_variable: () => 'v'.repeat(32),
    public_url: () => 'http://127.0.0.1:8080',
    jwt_verify,
    state: new IdentityState(async () => undefined),
  };
}

function start(auth: object, more: Partial<IdentityOptions> = {}): Identity {
  const identity = createIdentity({ ...optionsOf(auth), ...more });
  open.push(identity);
  identity.activate();
  return identity;
}

const present = (token: string) => readCredential(['Authorization', `Bearer ${token}`], '192.0.2.1');
const outcome = async (identity: Identity, token: string) => {
  const verdict = await identity.authenticator.authenticate(present(token));
  return verdict.kind === 'rejected' ? verdict.reason : verdict.fresh ? 'fresh' : 'remembered';
};
async function tokenOf(identity: Identity): Promise<{ token: string; jti: string }> {
  const { body, outcome: result } = await identity.issuer.issue({
    content_type: 'application/x-www-form-urlencoded',
    body: 'grant_type=client_credentials&client_id=batch&client_secret=s',
    authorization: undefined,
  });
  return { token: String(body.access_token), jti: result.kind === 'issued' ? result.jti : '' };
}
const within = { timeout: 1000, interval: 20 };

describe('identity', () => {
  it('refuses a revoked key within a second, remembered verifications included', async () => {
    const keys_file = scratch('keys.yaml');
    const { secret, sha256 } = createKey(keys_file, 'alice');
    const identity = start({ keys_file });
    expect(await outcome(identity, secret)).toBe('fresh');
    expect(await outcome(identity, secret)).toBe('remembered');
    revokeKeys(keys_file, { digest: sha256 });
    await expect.poll(() => outcome(identity, secret), within).toBe('key_revoked');
  });

  it('refuses a revoked token within a second, and other tokens of the same client not', async () => {
    const keys_file = scratch('keys.yaml');
    createKey(keys_file, 'alice');
    const identity = start({ keys_file });
    const [one, two] = [await tokenOf(identity), await tokenOf(identity)];
    expect(await outcome(identity, one.token)).toBe('fresh');
    expect(await outcome(identity, two.token)).toBe('fresh');
    revokeToken(keys_file, one.jti);
    await expect.poll(() => outcome(identity, one.token), within).toBe('token_revoked');
    expect(await outcome(identity, two.token)).toBe('fresh');
  });

  it('refuses a revoked caller within a second: its keys, its tokens, and new tokens', async () => {
    const keys_file = scratch('keys.yaml');
    const { secret } = createKey(keys_file, 'batch');
    const identity = start({ keys_file });
    const { token } = await tokenOf(identity);
    expect([await outcome(identity, secret), await outcome(identity, token)]).toEqual(['fresh', 'fresh']);
    revokeCaller(keys_file, 'batch');
    await expect.poll(() => outcome(identity, token), within).toBe('caller_revoked');
    expect(await outcome(identity, secret)).toBe('caller_revoked');
    expect((await tokenOf(identity)).jti).toBe('');
  });

  it('refuses what another replica revokes as soon as the shared list has it', async () => {
    const shared = createMemoryBlockList();
    const identity = start({}, { state: new IdentityState(async () => undefined, {}, shared) });
    const { token, jti } = await tokenOf(identity);
    expect(await outcome(identity, token)).toBe('fresh');
    await shared.block(`token ${jti}`, Number.POSITIVE_INFINITY);
    expect(await outcome(identity, token)).toBe('token_revoked');
  });

  it('changes nothing that is shared until it is put in force', async () => {
    const keys_file = scratch('keys.yaml');
    const shared = createMemoryBlockList();
    const state = new IdentityState(async () => undefined, {}, shared);
    const before = start({}, { state });
    const { token } = await tokenOf(before);
    revokeCaller(keys_file, 'batch');
    const refused = createIdentity({ ...optionsOf({ keys_file }), state });
    open.push(refused);
    expect(await outcome(before, token)).toBe('fresh');
    expect(shared.list().size).toBe(0);
    refused.activate();
    expect(await outcome(before, token)).toBe('caller_revoked');
  });

  it('takes a new key of the keys file within a second', async () => {
    const keys_file = scratch('keys.yaml');
    createKey(keys_file, 'batch');
    const identity = start({ keys_file });
    const { secret } = createKey(keys_file, 'alice');
    await expect.poll(() => outcome(identity, secret), within).toBe('fresh');
  });

  it('keeps its tokens and revocations through a reload', async () => {
    const shared = createMemoryBlockList();
    const state = new IdentityState(async () => undefined, {}, shared);
    const before = start({}, { state });
    const [one, two] = [await tokenOf(before), await tokenOf(before)];
    await shared.block(`token ${two.jti}`, Number.POSITIVE_INFINITY);
    const after = start({}, { state });
    await before.close();
    expect(await outcome(after, one.token)).toBe('fresh');
    expect(await outcome(after, two.token)).toBe('token_revoked');
  });

  it('goes on with what the keys file said when it vanishes, and reports it', async () => {
    const keys_file = scratch('keys.yaml');
    const { secret } = createKey(keys_file, 'alice');
    const problems: string[] = [];
    const reports = { on_keys_problem: (problem: LoadError) => problems.push(problem.findings[0]?.rule ?? '') };
    const identity = start({ keys_file }, { state: new IdentityState(async () => undefined, reports) });
    rmSync(keys_file);
    await expect.poll(() => problems, { timeout: 5000 }).toEqual(['keys-file-unreadable']);
    expect(await outcome(identity, secret)).toBe('fresh');
  });

  it.each<[string, () => object]>([
    ['a keys file that is missing', () => ({ keys_file: scratch('none.yaml') })],
    [
      'a keys file that is half-written',
      () => {
        writeFileSync(scratch('keys.yaml'), 'callers:\n  ali');
        return { keys_file: scratch('keys.yaml') };
      },
    ],
    ['a key file that cannot be made', () => ({ issuer: { key_file: scratch('none/keys.json') } })],
    [
      'an introspection map to an unknown role',
      () => ({
        introspection: {
          endpoint: 'https://x.example',
          client_id: 'a',
          secret_variable: 'B',
          roles_map: { a: ['root'] },
        },
      }),
    ],
  ])('fails the start on %s', (_name, auth) => {
    expect(() => start(auth())).toThrow(LoadError);
  });

  it('asks no provider for an address whose failure budget is spent, and lets good keys and tokens through', async () => {
    const keys_file = scratch('keys.yaml');
    const { secret } = createKey(keys_file, 'alice');
    const introspection = { endpoint: 'https://idp.example/introspect', client_id: 'a', secret_variable: 'UTCP_B' };
    let spent = false;
    let asked = 0;
    const state = new IdentityState(async () => {
      asked++;
      return { active: true, sub: 'alice' };
    });
    const is_throttled = async (address: string) => spent && address === '192.0.2.1';
    const identity = start({ keys_file, introspection }, { is_throttled, state });
    const [one, two] = [await tokenOf(identity), await tokenOf(identity)];
    expect([await outcome(identity, one.token), await outcome(identity, 'opaque')]).toEqual(['fresh', 'fresh']);
    spent = true;
    expect([await outcome(identity, one.token), await outcome(identity, 'opaque')]).toEqual([
      'remembered',
      'remembered',
    ]);
    expect([await outcome(identity, secret), await outcome(identity, two.token)]).toEqual(['fresh', 'fresh']);
    expect(await outcome(identity, 'guess')).toBe('too_many_failures');
    expect(asked).toBe(1);
  });
});
