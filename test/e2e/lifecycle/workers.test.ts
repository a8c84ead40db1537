import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { buildSources } from '../../support/build.js';
import { describeFeed, type Feed, startFeed } from '../../support/feed.js';
import { runCommand } from '../../support/io.js';
import { addressOf } from '../../support/provider.js';
import { Replica } from '../../support/replica.js';
import { keyEntry } from '../../support/server.js';
import { type WrittenFolder, writeFolder } from '../../support/written.js';

const build = buildSources();
const limit = 50;
const callers = ['first', 'second', 'third', 'barred'].map((id) => ({
  id,
  roles: ['agent'],
  api_keys: { current: keyEntry(`${id}-key`) },
}));

let feed: Feed;
let written: WrittenFolder;
let gate: Replica;
let config: ReturnType<typeof describeFeed>['config'];
beforeAll(async () => {
  feed = await startFeed();
  const described = describeFeed(feed.origin, { callers, limits: { per_caller: { per_minute: limit } } });
  config = described.config;
  written = writeFolder(config, described.files);
  const { environment } = described;
  gate = new Replica({ build, config: written.config, environment, args: ['--workers', '2'] });
  await gate.start();
});
afterAll(async () => {
  const code = await gate?.stop();
  written?.remove();
  await feed?.close();
  expect(code).toBe(0);
});

interface Answer {
  readonly status: number | undefined;
  /** Which worker answered: request ids begin with a part that is each process's own. */
  readonly worker: string;
}

/** One request on a connection of its own, so that it may come to any worker. */
function ask(caller: string, path = '/tools/feed/get_item?id=1'): Promise<Answer> {
  const headers = { authorization: `Bearer ${caller}-key` };
  return new Promise((resolve, reject) => {
    request(`${gate.url}${path}`, { headers, agent: false }, (response) => {
      response.resume().once('end', () => {
        const [worker = ''] = String(response.headers['x-request-id']).split('-0');
        resolve({ status: response.statusCode, worker });
      });
    })
      .on('error', reject)
      .end();
  });
}

const workers = () => {
  const children = readFileSync(`/proc/${gate.pid}/task/${gate.pid}/children`, 'utf8').trim();
  return children.split(' ').filter(Boolean).map(Number);
};

describe('several workers', () => {
  it('hold one limit exactly, without Redis: N of 10 N are allowed', async () => {
    const answers = await Promise.all(Array.from({ length: 10 * limit }, () => ask('first')));
    const count = (status: number) => answers.filter((answer) => answer.status === status).length;
    expect([count(200), count(429)]).toEqual([limit, 9 * limit]);
    expect(new Set(answers.map(({ worker }) => worker)).size).toBe(2);
  });

  it('write one log: each request once, one chain, and what happens to all of them told once', async () => {
    const own = () => written.events().filter(({ caller }) => caller === 'first');
    await expect.poll(() => own().filter(({ event }) => event === 'limit.exceeded').length).toBe(9 * limit);
    expect(own().filter(({ event }) => event === 'tool.call')).toHaveLength(limit);
    expect(written.events().filter(({ event }) => event === 'config.loaded')).toHaveLength(1);
    const { code, out } = await runCommand(['audit', 'verify', written.log]);
    expect([code, out]).toEqual([0, expect.any(String)]);
  });

  it('are counted together on one admin listener', async () => {
    const text = await (await fetch(`${gate.admin}/metrics`)).text();
    expect(text).toContain('gatehouse_workers 2');
    const sample = /^gatehouse_requests_total\{[^}]*outcome="rate_limited"[^}]*\} (\d+)$/m.exec(text);
    expect(Number(sample?.[1])).toBe(9 * limit);
    expect(await gate.readiness()).toMatchObject({ status: 'ok', workers: [{ status: 'ok' }, { status: 'ok' }] });
  });

  it('all refuse a caller within a second of its being blocked, and the log says so once', async () => {
    expect((await ask('barred', '/utcp')).status).toBe(200);
    const blocked = await runCommand(['callers', 'block', 'barred', '--config', written.config]);
    expect([blocked.code, blocked.err]).toEqual([0, '']);
    const refused = async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => ask('barred', '/utcp')));
      return answers.filter(({ status }) => status === 403).length;
    };
    await expect.poll(refused, { timeout: 1500, interval: 50 }).toBe(8);
    const told = () => written.events().filter(({ event }) => event === 'caller.blocked').length;
    await expect.poll(told).toBe(1);
  });

  it('put a new configuration in force all together, or none of them', async () => {
    const added = { id: 'fourth', roles: ['agent'], api_keys: { current: keyEntry('fourth-key') } };
    written.write({ ...config, callers: [...callers, added] });
    await expect.poll(async () => (await ask('fourth', '/utcp')).status, { timeout: 8000 }).toBe(200);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('fourth', '/utcp')));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    written.write({ ...config, callers: [...callers, { ...added, roles: ['none'] }] });
    const rejected = () => written.events().filter(({ event }) => event === 'config.rejected').length;
    await expect.poll(rejected, { timeout: 8000 }).toBe(1);
    expect((await ask('fourth', '/utcp')).status).toBe(200);
    written.write({ ...config, callers: [...callers, added] });
  });

  it('are followed by others when they crash; what was counted still counts, and the log says what was lost', async () => {
    const [victim = 0] = workers();
    process.kill(victim, 'SIGKILL');
    await expect.poll(() => workers().length === 2 && !workers().includes(victim), { timeout: 10_000 }).toBe(true);
    await expect.poll(async () => (await gate.readiness()).status, { timeout: 10_000 }).toBe('ok');
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask('first')));
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(429));
    expect(written.events().filter(({ event }) => event === 'worker.lost')).toMatchObject([{ reason: 'SIGKILL' }]);
    expect((await runCommand(['audit', 'verify', written.log])).code).toBe(0);
  });
});

describe('several workers, from start to end', () => {
  async function startAnother(more: object = {}): Promise<{ other: Replica; files: WrittenFolder }> {
    const described = describeFeed(feed.origin, { callers, ...more });
    const files = writeFolder(described.config, described.files);
    const other = new Replica({
      build,
      config: files.config,
      environment: described.environment,
      args: ['--workers', '2'],
    });
    onTestFinished(async () => {
      await other.stop();
      files.remove();
    });
    return { other, files };
  }

  it('end with their primary, even when that is killed', async () => {
    const { other } = await startAnother();
    await other.start();
    const children = readFileSync(`/proc/${other.pid}/task/${other.pid}/children`, 'utf8').trim().split(' ');
    expect(children).toHaveLength(2);
    await other.kill();
    const alive = () => children.filter((pid) => isAlive(pid));
    await expect.poll(alive, { timeout: 5000 }).toEqual([]);
  });

  it('say once that the port is taken, and exit with 2', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = addressOf(blocker);
    const { other } = await startAnother({ server: { port } });
    await expect(other.start()).rejects.toThrow(/cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/);
    expect(other.complaints.match(/cannot listen/g)).toHaveLength(1);
    expect(other.child.exitCode ?? (await once(other.child, 'exit'))[0]).toBe(2);
    blocker.close();
  });

  it('need a key file where they issue tokens, or each would know its own alone', async () => {
    const client = { client_id: 'c', secret_sha256: 'a'.repeat(64), scopes: ['tools:read'] };
    const { other } = await startAnother({ callers: [{ id: 'c', roles: ['agent'], oauth_client: client }] });
    await expect(other.start()).rejects.toThrow(/auth\.issuer\.key_file/);
  });
});

function isAlive(pid: string): boolean {
  try {
    // A zombie whose parent hasn't reaped it serves nobody.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
