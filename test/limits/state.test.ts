import { describe, expect, it, onTestFinished } from 'vitest';
import { stateSchema } from '../../src/limits/config.js';
import { openState } from '../../src/limits/state.js';
import { startRedis } from '../support/redis.js';
import { describeWithProgram } from '../support/requirement.js';
import { makeFolder } from '../support/scratch.js';
import { limitOf } from './limiter-suite.js';

const address = (name: string) => [limitOf(1, 60_000, 'auth_failures_per_minute', name)];

describe('the state of a server', () => {
  it('is held in memory when there is no Redis, where a flood of addresses refuses no caller', async () => {
    const config = stateSchema.parse({ max_keys: 100 });
    const state = await openState({ config, redis_url: undefined });
    for (let other = 0; other < 200; other++) await state.addressLimiter.take(address(`address-${other}`));
    expect((await state.addressLimiter.take(address('late'))).store_full).toBe(true);
    expect((await state.limiter.take([limitOf(1, 60_000)])).allowed).toBe(true);
    expect(state.status).toBe('memory');
    await state.close();
  });

  it('refuses a URL of no known form at the start', async () => {
    await expect(openState({ config: stateSchema.parse({}), redis_url: 'http://x' })).rejects.toThrow(/no known form/);
  });
});

describeWithProgram('redis-server', 'the state of replicas', () => {
  it('is shared: limits, blocks and revocations', async () => {
    const redis = await startRedis(makeFolder());
    onTestFinished(() => redis.stop());
    const config = stateSchema.parse({});
    const [a, b] = [
      await openState({ config, redis_url: redis.url }),
      await openState({ config, redis_url: redis.url }),
    ];
    await a.limiter.take([limitOf(1, 60_000)]);
    expect((await b.limiter.take([limitOf(1, 60_000)])).allowed).toBe(false);
    await expect
      .poll(() => redis.ask('pubsub', 'numsub', 'gatehouse:{callers}', 'gatehouse:{revocations}'))
      .toMatch(/2\n.*\n2/);
    await a.blocks.block('mallory', Number.POSITIVE_INFINITY);
    await a.revocations.block('token-1', Number.POSITIVE_INFINITY);
    await expect.poll(() => b.blocks.isBlocked('mallory', 0) && b.revocations.isBlocked('token-1', 0)).toBe(true);
    expect(b.blocks.isBlocked('token-1', 0)).toBe(false);
    expect([a.status, b.status]).toEqual(['ok', 'ok']);
    await a.close();
    await b.close();
  });
});
