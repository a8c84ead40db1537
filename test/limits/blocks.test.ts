import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type BlockList, createMemoryBlockList } from '../../src/limits/blocks.js';
import { openRedisBlockList } from '../../src/limits/redis-blocks.js';
import { RedisLink } from '../../src/limits/redis-link.js';
import { type PrivateRedis, startRedis } from '../support/redis.js';
import { describeWithProgram } from '../support/requirement.js';

const never = Number.POSITIVE_INFINITY;
const isBlocked = (list: BlockList, id = 'mallory') => list.isBlocked(id, Date.now());

describe('blocks in memory', () => {
  it('hold until their time is over, and no longer', async () => {
    const list = createMemoryBlockList();
    await list.block('mallory', 1000);
    expect(list.isBlocked('mallory', 999)).toBe(true);
    expect(list.isBlocked('alice', 999)).toBe(false);
    expect(list.isBlocked('mallory', 1000)).toBe(false);
  });

  it('hold until taken away when they have no end, and tell of each change', async () => {
    const list = createMemoryBlockList();
    let changes = 0;
    list.onChange(() => changes++);
    await list.block('mallory', never, 'honeypot');
    expect([...list.list()]).toEqual([['mallory', { until_ms: never, reason: 'honeypot' }]]);
    await list.unblock('mallory');
    await list.unblock('mallory');
    expect([isBlocked(list), changes]).toEqual([false, 2]);
  });
});

describeWithProgram('redis-server', 'blocks on Redis', () => {
  let folder: string;
  let redis: PrivateRedis;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-blocks-'));
    redis = await startRedis(folder);
  });
  afterAll(async () => {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function openReplica(name: string, poll_interval_ms = 60_000) {
    const link = new RedisLink({ url: redis.url, timeout_ms: 500 });
    await link.open();
    const list = await openRedisBlockList({ link, name, poll_interval_ms });
    onTestFinished(async () => {
      await list.close();
      await link.close();
    });
    return { link, list };
  }

  it('hold on every replica at once, those that start later included, and are lifted on all', async () => {
    const [a, b] = [await openReplica('shared'), await openReplica('shared')];
    await expect.poll(() => redis.ask('pubsub', 'numsub', 'gatehouse:{shared}')).toContain('2');
    await a.list.block('mallory', never, 'honeypot');
    await expect.poll(() => isBlocked(b.list)).toBe(true);
    const c = await openReplica('shared');
    expect(c.list.list().get('mallory')).toEqual({ until_ms: never, reason: 'honeypot' });
    await c.list.unblock('mallory');
    await expect.poll(() => isBlocked(a.list) || isBlocked(b.list)).toBe(false);
  });

  it('are seen by polling when a message is missed', async () => {
    const { list } = await openReplica('polled', 50);
    redis.ask('hset', 'gatehouse:{polled}', 'mallory', 'Infinity:operator');
    await expect.poll(() => isBlocked(list)).toBe(true);
  });

  it('are kept apart by the list’s name', async () => {
    const [a, b] = [await openReplica('one'), await openReplica('two', 50)];
    await a.list.block('mallory', never);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(isBlocked(b.list)).toBe(false);
  });

  it('hold while Redis is away, and are put back into a Redis that lost its data', async () => {
    const { list } = await openReplica('lost', 50);
    await list.block('mallory', never, 'before');
    await redis.stop();
    expect(isBlocked(list)).toBe(true);
    await list.block('trudy', never, 'meanwhile');
    await list.block('oscar', never, 'meanwhile');
    await list.unblock('oscar');
    await redis.start();
    await expect.poll(() => redis.ask('hgetall', 'gatehouse:{lost}'), { timeout: 8000 }).toContain('trudy');
    await expect.poll(() => redis.ask('hgetall', 'gatehouse:{lost}')).toContain('before');
    expect([isBlocked(list), isBlocked(list, 'trudy'), isBlocked(list, 'oscar')]).toEqual([true, true, false]);
  });

  it('are forgotten on Redis too when their time is over', async () => {
    const { list } = await openReplica('ended', 50);
    await list.block('mallory', Date.now() + 100);
    expect(redis.ask('hlen', 'gatehouse:{ended}')).toBe('1\n');
    await expect.poll(() => redis.ask('hlen', 'gatehouse:{ended}')).toBe('0\n');
    expect(isBlocked(list)).toBe(false);
  });
});
