import { describe, expect, it } from 'vitest';
import { RevocationList } from '../../src/auth/revocations.js';

describe('the revocation list', () => {
  it('refuses by caller, by key and by token id, each apart', () => {
    const list = new RevocationList();
    list.replaceFiled([
      { kind: 'caller', id: 'mallory' },
      { kind: 'key', id: 'digest' },
      { kind: 'token', id: 'jti' },
    ]);
    expect(list.refuse('mallory', 'x', undefined)).toBe('caller_revoked');
    expect(list.refuse('alice', 'digest', undefined)).toBe('key_revoked');
    expect(list.refuse('alice', 'x', 'jti')).toBe('token_revoked');
    expect(list.refuse('jti', 'mallory', 'digest')).toBeUndefined();
    expect(list.refuse(undefined, 'x', undefined)).toBeUndefined();
  });

  it('tells of every change, until it is told not to', () => {
    const list = new RevocationList();
    let told = 0;
    const end = list.onChange(() => told++);
    list.add({ kind: 'token', id: 'a' });
    list.replaceFiled([]);
    end();
    list.add({ kind: 'token', id: 'b' });
    expect(told).toBe(2);
  });

  it('keeps what the feed said when the file changes', () => {
    const list = new RevocationList();
    list.add({ kind: 'caller', id: 'mallory' });
    list.replaceFiled([]);
    expect(list.refuse('mallory', 'x', undefined)).toBe('caller_revoked');
  });

  it('forgets only tokens that have ended by themselves, however many come', () => {
    let now = 1000;
    const list = new RevocationList(() => now);
    list.add({ kind: 'caller', id: 'mallory' });
    for (let index = 0; index < 5000; index++) list.add({ kind: 'token', id: `${index}`, until: now + 10 });
    expect(list.refuse('a', 'x', '0')).toBe('token_revoked');
    now += 10;
    list.add({ kind: 'token', id: 'last', until: now + 10 });
    expect(list.refuse('a', 'x', '0')).toBeUndefined();
    expect(list.refuse('a', 'x', 'last')).toBe('token_revoked');
    expect(list.refuse('mallory', 'x', undefined)).toBe('caller_revoked');
  });
});
