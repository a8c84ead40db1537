import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { buildSources } from '../../support/build.js';
import { describeFeed, type Feed, startFeed } from '../../support/feed.js';
import { startNginx } from '../../support/nginx.js';
import { addressOf } from '../../support/provider.js';
import { openRaw } from '../../support/raw.js';
import { Replica } from '../../support/replica.js';
import { describeWithProgram } from '../../support/requirement.js';
import { keyEntry } from '../../support/server.js';
import { type WrittenFolder, writeFolder } from '../../support/written.js';

const build = buildSources();
const callers = [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }];
const headers = { authorization: 'Bearer k' };

let feed: Feed;
beforeAll(async () => {
  feed = await startFeed();
});
afterAll(() => feed?.close());

function prepare(more: object = {}): { gate: Replica; files: WrittenFolder } {
  const described = describeFeed(feed.origin, { callers, ...more });
  const files = writeFolder(described.config, described.files);
  const gate = new Replica({ build, config: files.config, environment: described.environment });
  onTestFinished(async () => {
    await gate.stop();
    files.remove();
  });
  return { gate, files };
}

async function exitOf(gate: Replica): Promise<number | null> {
  const { child } = gate;
  return child.exitCode ?? (await once(child, 'exit'))[0];
}

describe('a start that cannot be', () => {
  it('for a port that is taken exits with 2 and says which, and what to set', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    onTestFinished(() => void blocker.close());
    const { gate } = prepare({ server: { port: addressOf(blocker).port } });
    await expect(gate.start()).rejects.toThrow(
      /cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)\. Set PORT or server\.port/,
    );
    expect(await exitOf(gate)).toBe(2);
  });

  it.each([
    ['an unknown key', { limitz: {} }, /gatehouse\.yaml:\d+ \/limitz: error: .*\n.*limits/],
    ['a secret that is missing', { manuals: [], state: { redis_url_variable: 'UTCP_NOT_SET' } }, /UTCP_NOT_SET/],
    [
      'TLS files that are missing',
      { server: { tls: { cert_file: 'a.crt', key_file: 'a.key' } } },
      /\/server\/tls\/cert_file/,
    ],
    [
      'a certificate that is none',
      { server: { tls: { cert_file: 'feed.yaml', key_file: 'feed.yaml' } } },
      /PEM certificate/,
    ],
    ['a network of everyone', { server: { trust_proxy: ['0.0.0.0/0'] } }, /\/server\/trust_proxy\/0/],
    ['a public URL that is a route', { server: { public_url: 'https://a.example/tools' } }, /\/server\/public_url/],
  ])('for %s exits with 2 and says where, without a stack', async (_what, more, message) => {
    const { gate } = prepare(more);
    await expect(gate.start()).rejects.toThrow(message);
    expect(await exitOf(gate)).toBe(2);
    expect(gate.complaints).not.toMatch(/\n\s+at .*\.js:\d+/);
  });
});

describe('SIGHUP', () => {
  it('loads the configuration anew, though no file has changed', async () => {
    const { gate } = prepare();
    await gate.start();
    const countLoads = async () => {
      const metrics = await (await fetch(`${gate.admin}/metrics`)).text();
      return /^gatehouse_security_events_total\{[^}]*config\.loaded[^}]*\} (\d+)$/m.exec(metrics)?.[1];
    };
    expect(await countLoads()).toBe('1');
    gate.child.kill('SIGHUP');
    await expect.poll(countLoads, { timeout: 10_000 }).toBe('2');
  });
});

describe('SIGTERM', () => {
  it('turns readiness at once, lets calls finish, closes streams with a word, and ends with 0', async () => {
    const { gate, files } = prepare({ server: { drain_delay_ms: 400 } });
    await gate.start();
    const ask = 'HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n';
    const stream = await openRaw(gate.port, `GET /tools/feed/watch ${ask}Accept: text/event-stream\r\n\r\n`);
    await expect.poll(stream.text).toContain('data: {"n":1}');
    const ended = once(gate.child, 'exit');
    gate.child.kill('SIGTERM');
    await expect.poll(async () => (await fetch(`${gate.url}/readyz`)).status, { interval: 10 }).toBe(503);
    const late = await fetch(`${gate.url}/tools/feed/slow`, { method: 'POST', headers });
    expect([late.status, late.headers.get('connection')]).toEqual([200, 'close']);
    expect(await stream.ended).toMatch(/event: closing\ndata: \{.*"code":"draining"/);
    expect((await ended)[0]).toBe(0);
    const calls = files.events().filter(({ event }) => event === 'tool.call');
    expect(calls.map(({ tool, outcome }) => `${tool} ${outcome}`).sort()).toEqual([
      'feed.slow success',
      'feed.watch failure',
    ]);
  });

  it('cuts what does not finish within the drain time, with 503, and ends with 0 nevertheless', async () => {
    let asked = 0;
    const hanging = createServer(() => {
      asked++;
    }).listen(0, '127.0.0.1');
    await once(hanging, 'listening');
    onTestFinished(() => {
      hanging.closeAllConnections();
      hanging.close();
    });
    const described = describeFeed(`http://127.0.0.1:${addressOf(hanging).port}`, {
      callers,
      server: { drain_timeout_ms: 200 },
    });
    const files = writeFolder(described.config, described.files);
    const gate = new Replica({ build, config: files.config, environment: described.environment });
    onTestFinished(() => files.remove());
    await gate.start();
    const call = fetch(`${gate.url}/tools/feed/slow`, { method: 'POST', headers });
    await expect.poll(() => asked).toBe(1);
    const started = performance.now();
    const code = gate.stop();
    expect((await call).status).toBe(503);
    expect(await code).toBe(0);
    expect(performance.now() - started).toBeLessThan(8000);
  });
});

interface Tally {
  readonly ok: Set<string>;
  readonly refused: string[];
}

/** Calls one after the other on each of `width` kept connections until it is told to stop. */
async function load(url: string, width: number, until: () => boolean, ca?: string): Promise<Tally> {
  const tally: Tally = { ok: new Set(), refused: [] };
  const secure = url.startsWith('https:');
  const agent = secure ? new TlsAgent({ keepAlive: true, ca }) : new Agent({ keepAlive: true });
  const send = secure ? tlsRequest : request;
  const call = () =>
    new Promise<void>((resolve) => {
      const sent = send(`${url}/tools/feed/get_item?id=1`, { agent, headers }, (response) => {
        response.resume().once('close', () => {
          if (response.statusCode === 200 && response.complete) tally.ok.add(String(response.headers['x-request-id']));
          else tally.refused.push(String(response.statusCode));
          resolve();
        });
      });
      sent.once('error', (error) => {
        tally.refused.push('code' in error ? String(error.code) : error.message);
        resolve();
      });
      sent.end();
    });
  const worker = async () => {
    while (!until()) await call();
  };
  await Promise.all(Array.from({ length: width }, worker));
  agent.destroy();
  return tally;
}

describeWithProgram('nginx', 'a replica that goes under load, behind nginx', () => {
  it('loses no read: what it took it answers, what it did not take the other one does', async () => {
    const server = { drain_delay_ms: 500, trust_proxy: ['127.0.0.1'] };
    const pair = [prepare({ server }), prepare({ server })];
    for (const { gate } of pair) await gate.start();
    const nginx = await startNginx({ replicas: pair.map(({ gate }) => `127.0.0.1:${gate.port}`) });
    onTestFinished(() => nginx.close());
    let isOver = false;
    const loaded = load(nginx.url, 8, () => isOver, nginx.ca);
    await sleep(700);
    expect(await pair[0]?.gate.stop()).toBe(0);
    await sleep(300);
    isOver = true;
    const { ok, refused } = await loaded;
    expect(refused, nginx.errors().slice(-3000)).toEqual([]);
    expect(ok.size).toBeGreaterThan(100);
    await pair[1]?.gate.stop();
    const recorded = pair.flatMap(({ files }) => files.events()).filter(({ event }) => event === 'tool.call');
    const done = recorded.filter(({ outcome }) => outcome === 'success');
    const refusals = recorded.filter(({ outcome }) => outcome !== 'success');
    expect(refusals.filter(({ reason }) => reason !== 'draining')).toEqual([]);
    expect(new Set(done.map(({ request_id }) => request_id))).toEqual(ok);
  });
});
