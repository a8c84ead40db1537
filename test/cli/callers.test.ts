import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { createEchoProtocols } from '../support/echo.js';
import { runCommand } from '../support/io.js';
import { findFreePort } from '../support/port.js';
import { type PrivateRedis, startRedis } from '../support/redis.js';
import { describeWithProgram } from '../support/requirement.js';
import { useScratch } from '../support/scratch.js';
import { bearer, keyEntry, startServer, type TestServer } from '../support/server.js';
import { startUpstream } from '../support/upstream.js';

const scratch = useScratch();
/** What the promise of a second allows, and what a busy machine may add to its polls. */
const second = { timeout: 1000, interval: 20 };

function start(state: object = {}, environment: Record<string, string> = {}): Promise<TestServer> {
  return startServer({
    config: {
      policy: { roles: { user: { discover: ['*'], call: [] } } },
      callers: ['alice', 'bob'].map((id) => ({ id, roles: ['user'], api_keys: { current: keyEntry(id) } })),
      limits: { per_caller: {} },
      state,
    },
    environment,
    dependencies: { protocols: createEchoProtocols() },
  });
}

const ask = async ({ url }: TestServer, caller: string) =>
  (await fetch(`${url}/utcp`, { headers: bearer(caller) })).status;
const events = ({ sink }: TestServer) =>
  sink.events
    .filter(({ event }) => event === 'caller.blocked' || event === 'caller.unblocked')
    .map(({ event, caller, reason }) => `${event} ${caller} ${reason}`);

describe('gatehouse callers', () => {
  let server: TestServer;
  const callers = (...args: readonly string[]) =>
    runCommand(['callers', ...args, '--config', join(server.directory, 'gatehouse.yaml')]);
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());

  it('blocks a caller of a running server within a second, tells of it, and lifts the block', async () => {
    expect(await ask(server, 'alice')).toBe(200);
    const { code, out } = await callers('block', 'alice', '--for', '15m');
    expect([code, out]).toEqual([0, expect.stringMatching(/^Blocked alice until 2.*within a second/)]);
    await expect.poll(() => ask(server, 'alice'), second).toBe(403);
    expect(await ask(server, 'bob')).toBe(200);
    const listed = JSON.parse((await callers('list', '--json')).out);
    expect(listed).toEqual({ blocked: [{ caller: 'alice', reason: 'operator', until: expect.any(String) }] });
    expect((await callers('unblock', 'alice')).code).toBe(0);
    await expect.poll(() => ask(server, 'alice'), second).toBe(200);
    expect(events(server)).toEqual(['caller.blocked alice operator', 'caller.unblocked alice operator']);
  });

  it('holds a block over a restart', async () => {
    await callers('block', 'bob');
    const file = join(server.directory, 'gatehouse.yaml');
    const again = await start({ blocks_dir: join(server.directory, 'blocks') });
    expect(await ask(again, 'bob')).toBe(403);
    await again.close();
    await runCommand(['callers', 'unblock', 'bob', '--config', file]);
  });

  it('says so when the caller to unblock is not blocked, and exits 1', async () => {
    expect(await callers('unblock', 'alice')).toMatchObject({ code: 1, err: expect.stringContaining('not blocked') });
    expect((await callers('list')).out).toBe('Nobody is blocked.');
  });

  it('says so when nobody of that name is configured', async () => {
    const { code, err } = await callers('block', 'aliec', '--for', '1s');
    expect([code, err]).toEqual([0, expect.stringContaining('No caller aliec is configured')]);
  });

  it.each([
    [['block'], 'CALLER is missing'],
    [['block', 'alice', 'bob'], 'unexpected argument bob'],
    [['block', 'alice', '--for', 'ever'], '--for takes a time'],
    [['bar', 'alice'], 'say: callers block'],
  ])('refuses %j, and says what is right', async (args, message) => {
    expect(await callers(...args)).toMatchObject({ code: 2, err: expect.stringContaining(message) });
  });

  it('says that no server was reached when the folder can’t be written, and exits 2', async () => {
    writeFileSync(scratch('file'), '');
    writeFileSync(scratch('gatehouse.yaml'), 'state: { blocks_dir: file/blocks }\n');
    const { code, out, err } = await runCommand(['callers', 'block', 'alice', '--config', scratch('gatehouse.yaml')]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('make state.blocks_dir writable');
  });
});

describe('a block', () => {
  it('ends what the caller has open: a call, a stream and a websocket, each with its reason', async () => {
    const hung = await startUpstream(({ url }, response) => {
      if (url === '/feed') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    });
    const template = (type: string, path: string) => ({ call_template_type: type, url: `${hung.origin}${path}` });
    const tool = (name: string, call: object) => ({
      name,
      description: name,
      inputs: { type: 'object' },
      tool_call_template: call,
    });
    const server = await startServer({
      config: {
        manuals: [{ name: 'm', source: 'm.yaml', allow_private_hosts: ['127.0.0.1'] }],
        policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
        callers: ['alice', 'bob'].map((id) => ({ id, roles: ['user'], api_keys: { current: keyEntry(id) } })),
      },
      files: {
        'm.yaml': {
          utcp_version: '1.1.0',
          tools: [
            tool('wait', { ...template('http', '/wait'), http_method: 'POST' }),
            tool('feed', template('sse', '/feed')),
          ],
        },
      },
    });
    onTestFinished(() => server.close());
    const call = (caller: string, name: string) =>
      fetch(`${server.url}/tools/m/${name}`, {
        method: 'POST',
        headers: { ...bearer(caller), accept: 'text/event-stream' },
      });
    const waiting = call('alice', 'wait');
    const stream = await call('alice', 'feed');
    const others = await call('bob', 'feed');
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/tools/m/wait/ws`, { headers: bearer('alice') });
    await once(socket, 'open');
    await expect.poll(() => hung.requests.length).toBe(3);
    await runCommand(['callers', 'block', 'alice', '--config', join(server.directory, 'gatehouse.yaml')]);
    const [[code], answer, text] = await Promise.all([once(socket, 'close'), waiting, stream.text()]);
    expect([code, answer.status, JSON.parse(await answer.text()).code]).toEqual([1008, 403, 'caller_blocked']);
    expect(text).toMatch(/event: error\ndata: .*"caller_blocked"/);
    await expect.poll(() => server.sink.of('tool.call').length).toBe(2);
    for (const event of server.sink.of('tool.call')) {
      expect(event).toMatchObject({ caller: 'alice', outcome: 'denied', reason: 'caller_blocked' });
    }
    await others.body?.cancel();
  });
});

describeWithProgram('redis-server', 'gatehouse callers with Redis', () => {
  let redis: PrivateRedis;
  beforeAll(async () => {
    redis = await startRedis('/tmp');
  });
  afterAll(() => redis.stop());
  const state = { redis_url_variable: 'UTCP_REDIS_URL' };

  it('blocks on every replica within a second, and each tells of it', async () => {
    const environment = { UTCP_REDIS_URL: redis.url };
    const replicas = await Promise.all([start(state, environment), start(state, environment)]);
    const file = join(replicas[0]?.directory ?? '', 'gatehouse.yaml');
    const { code } = await runCommand(['callers', 'block', 'alice', '--config', file], { environment });
    expect(code).toBe(0);
    for (const replica of replicas) await expect.poll(() => ask(replica, 'alice'), second).toBe(403);
    await runCommand(['callers', 'unblock', 'alice', '--config', file], { environment });
    for (const replica of replicas) {
      await expect.poll(() => ask(replica, 'alice'), second).toBe(200);
      expect(events(replica)).toEqual(['caller.blocked alice operator', 'caller.unblocked alice operator']);
      await replica.close();
    }
  });

  it('says that no server was reached when Redis is away, and exits 2', async () => {
    const environment = { UTCP_REDIS_URL: `redis://127.0.0.1:${await findFreePort()}` };
    writeFileSync(scratch('gatehouse.yaml'), 'state: { redis_url_variable: UTCP_REDIS_URL, timeout_ms: 50 }\n');
    const args = ['callers', 'block', 'alice', '--config', scratch('gatehouse.yaml')];
    expect(await runCommand(args, { environment })).toMatchObject({ code: 2, out: '' });
  });
});
