import { describe, expect, it } from 'vitest';
import { PrincipalCache } from '../../src/auth/cache.js';

describe('the memory of verified credentials', () => {
  it('lets go of what has ended while new ones come, though nobody asks for it again', () => {
    const cache = new PrincipalCache<string>(50_000);
    for (let turn = 0; turn < 20_000; turn++) cache.set(`token ${turn}`, 'alice', turn + 60, turn);
    // Sixty are good at any time; a new one pays for a look at four others.
    expect(cache.size).toBeLessThan(200);
    expect(cache.get('token 19999', 20_000)).toBe('alice');
  });

  it('keeps what is still good, and what has no end, however many others come and go', () => {
    const cache = new PrincipalCache<string>(50_000);
    cache.set('key', 'bob', undefined, 0);
    cache.set('long', 'carol', 30_000, 0);
    for (let turn = 0; turn < 20_000; turn++) cache.set(`token ${turn}`, 'alice', turn + 60, turn);
    expect(cache.get('key', 20_000)).toBe('bob');
    expect(cache.get('long', 20_000)).toBe('carol');
    expect(cache.get('long', 30_000)).toBeUndefined();
  });

  it('holds no more than it may: the longest unused leaves', () => {
    const cache = new PrincipalCache<string>(3);
    for (const name of ['one', 'two', 'three']) cache.set(name, name, undefined, 0);
    cache.get('one', 0);
    cache.set('four', 'four', undefined, 0);
    expect(['one', 'two', 'three', 'four'].map((name) => cache.get(name, 0))).toEqual([
      'one',
      undefined,
      'three',
      'four',
    ]);
  });
});
