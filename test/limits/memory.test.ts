import { deserialize, serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { createMemoryLimiter } from '../../src/limits/memory.js';
import { describeLimiter, limitOf } from './limiter-suite.js';

function openBench(max_keys?: number) {
  let now = 0;
  const limiter = createMemoryLimiter({ now: () => now, ...(max_keys === undefined ? {} : { max_keys }) });
  return {
    limiter,
    advance(ms: number) {
      now += ms;
    },
  };
}

describeLimiter('the limiter in memory', () => openBench());

describe('the limiter in memory, flooded', () => {
  it('keeps a blocked caller blocked through 20,000 other keys', () => {
    const { limiter } = openBench(5000);
    const blocked = [limitOf(1, 60_000)];
    limiter.take(blocked);
    for (let other = 0; other < 20_000; other++) limiter.take([limitOf(1, 60_000, 'per_minute', `other-${other}`)]);
    expect(limiter.take(blocked)).toMatchObject({ allowed: false });
    expect(limiter.take(blocked).store_full).toBeUndefined();
  });

  it('refuses new keys when full, rather than forget one, and holds no more than it may', () => {
    const { limiter } = openBench(100);
    for (let other = 0; other < 100; other++) limiter.take([limitOf(9, 60_000, 'per_minute', `other-${other}`)]);
    expect(limiter.take([limitOf(9, 60_000, 'per_minute', 'late')])).toMatchObject({
      allowed: false,
      store_full: true,
    });
    expect(limiter.peek([limitOf(9, 60_000, 'per_minute', 'late')]).allowed).toBe(false);
    expect(limiter.take([limitOf(9, 60_000, 'per_minute', 'other-7')]).allowed).toBe(true);
    expect(limiter.size).toBe(100);
  });

  it('has room for new keys again when the old ones count no more', () => {
    const { limiter, advance } = openBench(100);
    for (let other = 0; other < 100; other++) limiter.take([limitOf(9, 60_000, 'per_minute', `other-${other}`)]);
    advance(60_000);
    for (let other = 0; other < 100; other++) {
      expect(limiter.take([limitOf(9, 60_000, 'per_minute', `new-${other}`)]).allowed).toBe(true);
    }
    expect(limiter.size).toBeLessThanOrEqual(100);
  });

  it('lets idle keys go while new ones come, long before it is full', () => {
    const { limiter, advance } = openBench();
    for (let second = 0; second < 600; second++) {
      advance(1000);
      for (let other = 0; other < 20; other++) {
        limiter.take([limitOf(9, 60_000, 'per_minute', `caller-${second}-${other}`)]);
      }
    }
    expect(limiter.size).toBeLessThan(3 * 60 * 20);
  });
});

describe('the window that a limit remembers', () => {
  it('is not counted in once it was let go', () => {
    const { limiter, advance } = openBench(2);
    const limit = limitOf(2, 60_000);
    expect([limiter.take([limit]).allowed, limiter.take([limit]).allowed]).toEqual([true, true]);
    advance(60_000);
    // Each new key looks at some of the old ones, and takes the place of this one here.
    for (const other of ['a', 'b']) {
      expect(limiter.take([limitOf(2, 60_000, 'per_minute', other)]).allowed).toBe(true);
    }
    expect(limiter.take([limit])).toMatchObject({ allowed: false, store_full: true });
    advance(60_000);
    const same = limitOf(2, 60_000);
    const decisions = [limit, same, limit, same].map((one) => limiter.take([one]).allowed);
    expect(decisions).toEqual([true, true, false, false]);
  });

  it('is that of the limiter that is asked', () => {
    const [one, other] = [openBench().limiter, openBench().limiter];
    const limit = limitOf(1, 60_000);
    expect([one, other, one, other].map((limiter) => limiter.take([limit]).allowed)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('stays here when limits and decisions go to another process', () => {
    const { limiter } = openBench();
    const limit = limitOf(2, 60_000);
    limiter.take([limit]);
    const decision = limiter.take([limit]);
    for (const copy of [deserialize(serialize(decision)), JSON.parse(JSON.stringify(decision))]) {
      expect(copy).toEqual({ ...decision, limit: limitOf(2, 60_000) });
    }
    expect(limiter.take([deserialize(serialize(limit))]).allowed).toBe(false);
  });
});
