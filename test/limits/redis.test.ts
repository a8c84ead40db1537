import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Limit } from '../../src/limits/limiter.js';
import { createMemoryLimiter } from '../../src/limits/memory.js';
import { createRedisLimiter } from '../../src/limits/redis.js';
import { openRedisBlockList } from '../../src/limits/redis-blocks.js';
import { RedisLink } from '../../src/limits/redis-link.js';
import { findFreePort } from '../support/port.js';
import { type PrivateRedis, startRedis } from '../support/redis.js';
import { describeWithProgram } from '../support/requirement.js';
import { describeLimiter, limitOf } from './limiter-suite.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-redis-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const servers: PrivateRedis[] = [];
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

async function start(...options: readonly string[]): Promise<PrivateRedis> {
  const server = await startRedis(folder, ...options);
  servers.push(server);
  return server;
}

async function link(url: string, changes: string[] = [], timeout_ms = 500) {
  const opened = new RedisLink({ url, timeout_ms, onChange: (status, reason) => changes.push(`${status} ${reason}`) });
  onTestFinished(() => opened.close());
  await opened.open();
  return opened;
}

const replica = (opened: RedisLink, on_failure: 'local' | 'refuse' = 'local') =>
  createRedisLimiter({ link: opened, local: createMemoryLimiter(), on_failure });

let subjects = 0;
/** A limit of somebody whom no other test counts. */
function fresh(limit: number, window_ms = 60_000): readonly Limit[] {
  subjects++;
  return [limitOf(limit, window_ms, 'per_minute', `subject-${subjects}`)];
}

describeWithProgram('redis-server', 'limits on Redis', () => {
  let redis: PrivateRedis;
  let shared: RedisLink;
  beforeAll(async () => {
    redis = await start();
    shared = new RedisLink({ url: redis.url, timeout_ms: 5000 });
    await shared.open();
  });
  afterAll(() => shared.close());

  describeLimiter(
    'the limiter on Redis',
    async () => {
      await shared.client.flushall();
      let now = 1_700_000_000_000 - (1_700_000_000_000 % 60_000);
      const local = createMemoryLimiter();
      return {
        limiter: createRedisLimiter({ link: shared, local, on_failure: 'refuse', now: () => now }),
        advance(ms: number) {
          now += ms;
        },
      };
    },
    25,
  );

  describe('replicas on one Redis', () => {
    it('allow N of 10 N together, ± 0, when all ask at once', async () => {
      const links = await Promise.all([link(redis.url), link(redis.url), link(redis.url)]);
      const limiters = links.map((opened) => replica(opened));
      const limits = fresh(100);
      const answers = await Promise.all(Array.from({ length: 1000 }, (_, turn) => limiters[turn % 3]?.take(limits)));
      expect(answers.filter((answer) => answer?.allowed)).toHaveLength(100);
    });

    it('ask once a request', async () => {
      const limiter = replica(await link(redis.url));
      await limiter.take(fresh(5));
      const count = () => Number(/total_commands_processed:(\d+)/.exec(redis.ask('info', 'stats'))?.[1]);
      const scripts = () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(redis.ask('info', 'commandstats'))?.[1]);
      const [before, commands] = [scripts(), count()];
      const limits = [...fresh(50), limitOf(50, 3_600_000, 'per_hour'), limitOf(50, 60_000, 'tool_per_minute')];
      for (let calls = 0; calls < 20; calls++) await limiter.take(limits);
      expect(scripts() - before).toBe(20);
      expect(count() - commands).toBeLessThan(20 * 20);
    });

    it('hold no caller’s name in their keys, and let them go with the window', async () => {
      await shared.client.flushall();
      await replica(shared).take([limitOf(5, 120_000, 'per_minute', 'alice@example.com {x} \n')]);
      const [key = ''] = await shared.client.keys('*:*:*');
      expect(key).toMatch(/^gatehouse:\{[\w-]{22}\}:[\w-]{22}$/);
      expect(await shared.client.pttl(key)).toBeGreaterThan(100_000);
      expect(await shared.client.pttl(key)).toBeLessThanOrEqual(120_001);
    });

    it('go on when the server has forgotten the script', async () => {
      const limiter = replica(shared);
      const limits = fresh(5);
      await limiter.take(limits);
      await shared.client.script('FLUSH');
      expect(await limiter.take(limits)).toMatchObject({ allowed: true, remaining: 3 });
      expect(shared.status).toBe('ok');
    });
  });
});

describeWithProgram('redis-server', 'limits while Redis is away', () => {
  it('are held locally at the same rates under load when it is stopped, and shared again without a restart', async () => {
    const redis = await start();
    const changes: string[] = [];
    const opened = await link(redis.url, changes);
    const limiter = replica(opened);
    const limits = fresh(50);
    let allowed = 0;
    let failed = 0;
    const ask = async () => {
      try {
        if ((await limiter.take(limits)).allowed) allowed++;
      } catch {
        failed++;
      }
    };
    for (let calls = 0; calls < 20; calls++) await ask();
    const burst = Array.from({ length: 300 }, ask);
    await redis.stop();
    await Promise.all(burst);
    for (let calls = 0; calls < 300; calls++) await ask();
    expect([allowed, failed]).toEqual([50, 0]);
    expect(opened.status).toBe('degraded');
    await redis.start();
    await expect.poll(() => opened.status, { timeout: 8000 }).toBe('ok');
    expect(await limiter.take(fresh(2))).toMatchObject({ allowed: true, remaining: 1 });
    expect(redis.ask('dbsize')).toMatch(/^[1-9]/);
    expect(changes).toEqual([expect.stringMatching(/^degraded redis_/), 'ok redis_restored']);
  });

  it('decide within the timeout when it hangs, and without waiting after that', async () => {
    const redis = await start();
    const changes: string[] = [];
    const limiter = replica(await link(redis.url, changes, 200));
    await limiter.take(fresh(5));
    redis.hang();
    const timed = async () => {
      const start = performance.now();
      await limiter.take(fresh(5));
      return performance.now() - start;
    };
    const first = await timed();
    expect(first).toBeGreaterThan(150);
    expect(first).toBeLessThan(1500);
    // Twenty that waited would take four seconds.
    const later = performance.now();
    for (let turn = 0; turn < 20; turn++) await timed();
    expect(performance.now() - later).toBeLessThan(1000);
    expect(changes).toEqual(['degraded redis_timeout']);
    redis.wake();
    await expect.poll(() => changes.at(-1), { timeout: 8000 }).toBe('ok redis_restored');
  });

  it('are refused when the configuration says so', async () => {
    const redis = await start();
    const opened = await link(redis.url);
    const limiter = replica(opened, 'refuse');
    await redis.stop();
    await expect(limiter.take(fresh(5))).rejects.toMatchObject({
      code: 'overloaded',
      reason: 'state_unavailable',
      details: { retry_after: 1 },
    });
  });

  it('start degraded, and soon, when it was never there', async () => {
    const changes: string[] = [];
    const opened = await link(`redis://127.0.0.1:${await findFreePort()}`, changes);
    expect(opened.status).toBe('degraded');
    expect(await replica(opened).take(fresh(1))).toMatchObject({ allowed: true });
    expect(changes).toEqual(['degraded redis_unreachable']);
  });

  it('are held locally when it answers but counts nothing (a replica, read only)', async () => {
    const redis = await start();
    redis.ask('replicaof', '127.0.0.1', '1');
    const changes: string[] = [];
    await link(redis.url, changes);
    expect(changes).toEqual(['degraded redis_unreachable']);
  });
});

describeWithProgram('redis-server', 'limits on other forms of Redis', () => {
  it('hold on a server with a password, which no message shows', async () => {
    const redis = await start('--requirepass', 'canary-secret');
    const opened = await link(`redis://:canary-secret@127.0.0.1:${redis.port}/2`);
    expect(opened.status).toBe('ok');
    const changes: string[] = [];
    await link(`redis://:wrong-canary@127.0.0.1:${redis.port}`, changes);
    expect(changes).toEqual(['degraded redis_unreachable']);
  });

  it('hold on a cluster of three, whose nodes each hold some callers, and share its blocks', async () => {
    const nodes = await Promise.all([1, 2, 3].map((number) => startNode(number)));
    const [first] = nodes;
    for (const [index, node] of nodes.entries()) {
      node.redis.ask('cluster', 'addslotsrange', String(index * 5462), String(Math.min(16_383, index * 5462 + 5461)));
      first?.redis.ask('cluster', 'meet', '127.0.0.1', String(node.redis.port), node.bus);
    }
    for (const { redis } of nodes) {
      const known = () => redis.ask('cluster', 'info');
      await expect.poll(known, { timeout: 15_000 }).toMatch(/cluster_state:ok[\s\S]*cluster_known_nodes:3/);
    }
    const url = `redis+cluster://127.0.0.1:${first?.redis.port}`;
    const [one, other] = [await link(url, [], 2000), await link(url, [], 2000)];
    expect([one.status, other.status]).toEqual(['ok', 'ok']);
    const replicas = [replica(one), replica(other)];
    const both = Array.from({ length: 40 }, (_, subject) => {
      const [limit] = fresh(1);
      return limit ? [limit, { ...limit, key: `hour ${subject}`, name: 'per_hour' }] : [];
    });
    const ask = (which: number) => Promise.all(both.map((limits) => replicas[which]?.take(limits)));
    expect((await ask(0)).filter((answer) => answer?.allowed)).toHaveLength(40);
    expect((await ask(1)).filter((answer) => answer?.allowed)).toHaveLength(0);
    for (const { redis } of nodes) expect(redis.ask('dbsize')).toMatch(/^[1-9]/);
    const [here, there] = [await openBlocks(one), await openBlocks(other)];
    await here.block('mallory', Number.POSITIVE_INFINITY);
    await expect.poll(() => there.isBlocked('mallory', Date.now())).toBe(true);
    expect([one.status, other.status]).toEqual(['ok', 'ok']);
  }, 40_000);

  it('follow the sentinels from a master that dies to the one that takes its place', async () => {
    const master = await start();
    const standby = await start('--replicaof', '127.0.0.1', String(master.port));
    await expect.poll(() => standby.ask('info', 'replication'), { timeout: 10_000 }).toContain('master_link_status:up');
    const file = join(folder, 'sentinel.conf');
    const settings = ['down-after-milliseconds main 500', 'failover-timeout main 5000'];
    const lines = [`monitor main 127.0.0.1 ${master.port} 1`, ...settings].map((line) => `sentinel ${line}\n`);
    writeFileSync(file, lines.join(''));
    const sentinel = await start(file, '--sentinel');
    await expect.poll(() => sentinel.ask('sentinel', 'replicas', 'main'), { timeout: 15_000 }).toContain('127.0.0.1');
    const changes: string[] = [];
    const opened = await link(`redis+sentinel://127.0.0.1:${sentinel.port}/main`, changes, 500);
    expect(opened.status).toBe('ok');
    const limiter = replica(opened);
    const limits = fresh(3);
    expect((await limiter.take(limits)).allowed).toBe(true);
    expect(master.ask('dbsize')).toMatch(/^[1-9]/);
    await master.stop();
    expect((await limiter.take(limits)).allowed).toBe(true);
    await expect.poll(() => opened.status, { timeout: 20_000 }).toBe('ok');
    const before = standby.ask('dbsize');
    expect((await limiter.take(fresh(1))).allowed).toBe(true);
    expect(standby.ask('dbsize')).not.toBe(before);
    expect(standby.ask('role')).toMatch(/^master/);
    expect(changes).toEqual([expect.stringMatching(/^degraded/), 'ok redis_restored']);
  }, 60_000);
});

async function startNode(number: number) {
  const bus = String(await findFreePort());
  const settings = ['--cluster-enabled', 'yes', '--cluster-config-file', `nodes-${number}.conf`, '--cluster-port', bus];
  return { redis: await start(...settings, '--cluster-announce-ip', '127.0.0.1'), bus };
}

async function openBlocks(opened: RedisLink) {
  const list = await openRedisBlockList({ link: opened, name: 'callers' });
  onTestFinished(() => list.close());
  return list;
}
