import { describe, expect, it } from 'vitest';
import { type Revocation, RevocationList } from '../../src/auth/revocations.js';
import { createMemoryBlockList } from '../../src/limits/index.js';

const caller: Revocation = { kind: 'caller', id: 'mallory' };

describe('the revocation list', () => {
  it('refuses by caller, by key and by token id, each apart', () => {
    const list = new RevocationList();
    list.replaceFiled([caller, { kind: 'key', id: 'digest' }, { kind: 'token', id: 'jti' }]);
    expect(list.refuse('mallory', 'x', undefined)).toBe('caller_revoked');
    expect(list.refuse('alice', 'digest', undefined)).toBe('key_revoked');
    expect(list.refuse('alice', 'x', 'jti')).toBe('token_revoked');
    expect(list.refuse('jti', 'mallory', 'digest')).toBeUndefined();
    expect(list.refuse(undefined, 'x', undefined)).toBeUndefined();
  });

  it('tells of every change, of the file and of the shared list, until it is told not to', async () => {
    const shared = createMemoryBlockList();
    const list = new RevocationList(shared);
    let told = 0;
    const end = list.onChange(() => told++);
    await shared.block('token a', Number.POSITIVE_INFINITY);
    list.replaceFiled([]);
    expect(told).toBe(2);
    end();
    await shared.block('token b', Number.POSITIVE_INFINITY);
    expect(told).toBe(2);
  });

  it('carries the keys file of one replica to another, and takes back what the file no longer says', () => {
    const shared = createMemoryBlockList();
    const [one, two] = [new RevocationList(shared), new RevocationList(shared)];
    one.replaceFiled([caller]);
    expect(two.refuse('mallory', 'x', undefined)).toBe('caller_revoked');
    one.replaceFiled([]);
    expect(two.refuse('mallory', 'x', undefined)).toBeUndefined();
  });

  it('holds what its own file says, whatever another replica took back', async () => {
    const shared = createMemoryBlockList();
    const list = new RevocationList(shared);
    list.replaceFiled([caller]);
    await shared.unblock('caller mallory');
    expect(list.refuse('mallory', 'x', undefined)).toBe('caller_revoked');
  });

  it('holds what the shared list says when the file changes', async () => {
    const shared = createMemoryBlockList();
    const list = new RevocationList(shared);
    await shared.block('token a', Number.POSITIVE_INFINITY);
    list.replaceFiled([]);
    expect(list.refuse('alice', 'x', 'a')).toBe('token_revoked');
  });
});
