import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ApiKeyVerifier } from '../../src/auth/api-key.js';
import { readCredential } from '../../src/auth/bearer.js';
import { CallerDirectory } from '../../src/auth/caller.js';
import { callerSchema } from '../../src/auth/config.js';
import { createKey, describeKeys, revokeCaller, revokeKeys, revokeToken, rotateKey } from '../../src/auth/keys-edit.js';
import { listKeys, listRevocations, parseKeysFile } from '../../src/auth/keys-file.js';
import { checkSecretForm } from '../../src/auth/secret.js';
import { LoadError } from '../../src/core/index.js';
import { useScratch } from '../support/scratch.js';

const scratch = useScratch();
const file = () => scratch('keys.yaml');
const read = () => readFileSync(file(), 'utf8');
const content = () => parseKeysFile(read(), file());
const hour = 3_600_000;

function outcomes(secrets: readonly string[], at: number) {
  const directory = new CallerDirectory([callerSchema.parse({ id: 'alice' })]);
  directory.replaceFileKeys(listKeys(content()));
  const verifier = new ApiKeyVerifier(directory, () => at);
  return secrets.map((secret) => {
    const verdict = verifier.verify(readCredential(['X-API-Key', secret], '127.0.0.1'));
    return verdict.kind === 'rejected' ? verdict.reason : verdict.kind;
  });
}

describe('the keys file', () => {
  it('is made for its owner alone, and holds the digest and never the secret', () => {
    const key = createKey(file(), 'alice');
    expect(checkSecretForm(key.secret)).toBe(true);
    expect(read()).not.toContain(key.secret);
    expect(read()).toContain(key.sha256);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(readdirSync(dirname(file()))).toEqual(['keys.yaml']);
  });

  it('rotates a key without a gap, again and again', () => {
    const start = Date.now();
    const first = createKey(file(), 'alice', { now: start });
    const second = rotateKey(file(), 'alice', { now: start + hour, grace_ms: hour });
    const secrets = [first.secret, second.secret];
    expect(outcomes(secrets, start + hour)).toEqual(['principal', 'principal']);
    expect(outcomes(secrets, start + 2 * hour - 1)).toEqual(['principal', 'principal']);
    expect(outcomes(secrets, start + 2 * hour)).toEqual(['key_expired', 'principal']);
    const third = rotateKey(file(), 'alice', { now: start + 3 * hour, grace_ms: hour });
    expect(outcomes([...secrets, third.secret], start + 3 * hour)).toEqual(['not_mine', 'principal', 'principal']);
    expect(outcomes([...secrets, third.secret], start + 4 * hour)).toEqual(['not_mine', 'key_expired', 'principal']);
  });

  it('never lengthens an old key’s life by rotating it', () => {
    const start = Date.now();
    createKey(file(), 'alice', { now: start, lifetime_ms: hour });
    const { old_expires_at } = rotateKey(file(), 'alice', { now: start, grace_ms: 24 * hour });
    expect(old_expires_at).toBe(new Date(start + hour).toISOString());
  });

  it('keeps its comments, its order and its mode through every edit', () => {
    createKey(file(), 'zoe');
    createKey(file(), 'alice');
    writeFileSync(file(), `# Ours.\n${read().replace('  alice:', '  # The first customer.\n  alice:')}`);
    chmodSync(file(), 0o640);
    rotateKey(file(), 'alice', { grace_ms: hour });
    revokeCaller(file(), 'mallory');
    revokeToken(file(), 'token: "1" # no comment');
    revokeKeys(file(), { caller: 'zoe' });
    expect(read()).toMatch(/^# Ours\.\n(.|\n)* zoe:(.|\n)* # The first customer\.\n {2}alice:(.|\n)*\n\.\.\.\n$/);
    expect(statSync(file()).mode & 0o777).toBe(0o640);
    expect(content().revoked).toMatchObject({ callers: ['mallory'], jtis: ['token: "1" # no comment'] });
  });

  it('takes keys back by caller or by the digest’s first digits', () => {
    const alice = createKey(file(), 'alice');
    const bob = createKey(file(), 'bob');
    expect(revokeKeys(file(), { digest: alice.sha256.slice(0, 12).toUpperCase() })).toEqual([alice.sha256]);
    expect(revokeKeys(file(), { caller: 'bob' })).toEqual([bob.sha256]);
    expect(content().revoked.keys).toEqual([alice.sha256, bob.sha256]);
    expect(listRevocations(content())).toMatchObject([{ kind: 'key' }, { kind: 'key' }]);
    expect(createKey(file(), 'alice').slot).toBe('current');
  });

  it('takes any credential back by its whole digest, in a file of its own where there was none', () => {
    const digest = 'ab'.repeat(32);
    expect(revokeKeys(file(), { digest: 'AB:'.repeat(31).concat('AB') })).toEqual([digest]);
    expect(content().revoked.keys).toEqual([digest]);
    expect(() => revokeKeys(file(), { digest: digest.slice(0, 63) })).toThrow(LoadError);
  });

  it('lists keys by state, never in full', () => {
    const now = Date.now();
    createKey(file(), 'old', { now: now - hour, lifetime_ms: 1000 });
    createKey(file(), 'alice');
    createKey(file(), 'gone');
    revokeCaller(file(), 'gone');
    expect(describeKeys(content()).map(({ caller, state }) => `${caller} ${state}`)).toEqual([
      'old expired',
      'alice valid',
      'gone revoked',
    ]);
    expect(describeKeys(content()).every(({ digest }) => /^[0-9a-f]{12}$/.test(digest))).toBe(true);
  });

  it.each<[string, () => void]>([
    ['a second key for a caller that has one', () => createKey(file(), 'alice')],
    ['a rotation for a caller without a key', () => rotateKey(file(), 'bob', { grace_ms: hour })],
    [
      'a rotation within the grace time of the last',
      () => {
        rotateKey(file(), 'alice', { grace_ms: hour });
        rotateKey(file(), 'alice', { grace_ms: hour });
      },
    ],
    ['a revocation that fits nothing', () => revokeKeys(file(), { caller: 'bob' })],
    [
      'a revocation by too few digits',
      () => revokeKeys(file(), { digest: content().callers.alice?.api_keys.current?.sha256.slice(0, 4) ?? '' }),
    ],
    [
      'an edit while another is under way',
      () => {
        writeFileSync(`${file()}.lock`, '1');
        revokeToken(file(), 'x');
      },
    ],
    [
      'an edit of a file that is cut off',
      () => {
        writeFileSync(file(), read().slice(0, 200));
        revokeToken(file(), 'x');
      },
    ],
  ])('refuses %s', (_name, edit) => {
    createKey(file(), 'alice');
    expect(edit).toThrow(LoadError);
  });

  it('is left as it was by an edit that fails', () => {
    createKey(file(), 'alice');
    const before = read();
    expect(() => createKey(file(), 'alice')).toThrow(LoadError);
    expect(read()).toBe(before);
    expect(existsSync(`${file()}.lock`)).toBe(false);
  });

  it('is never seen half-written by a reader, however often it is edited', async () => {
    createKey(file(), 'alice');
    const reader = spawn(process.execPath, ['-e', readUntilStopped, file()], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(reader, 'exit');
    await once(reader.stdout, 'data');
    for (let index = 0; index < 15; index++) revokeToken(file(), `token-${index}`);
    reader.stdin.end();
    expect(await ended).toEqual([0, null]);
  });
});

// Reads the file over and over until its input ends; exit code 1: it was once not whole.
const readUntilStopped = `
  const { readFileSync } = require('node:fs');
  const look = () => {
    if (!readFileSync(process.argv[1], 'utf8').endsWith('...\\n')) process.exit(1);
    setImmediate(look);
  };
  process.stdin.on('end', () => process.exit(0)).resume();
  look();
  console.log('reading');
`;
