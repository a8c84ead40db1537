import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { PressureJudge } from '../../../src/server/pressure.js';
import { createEchoProtocols } from '../../support/echo.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';
import { sendJson, startUpstream } from '../../support/upstream.js';

const tool = (name: string, url: string) => ({
  name,
  description: name,
  inputs: { type: 'object' },
  tool_call_template: { call_template_type: 'http', http_method: 'POST', url },
});
const policy = { roles: { user: { discover: ['*'], call: ['*'] } } };
const callers = [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('alice') } }];
const spin = (ms: number) => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

describe('a server that has more work than it can do', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({
      config: {
        server: { load_shedding: { max_event_loop_delay_ms: 15, sample_interval_ms: 40 } },
        manuals: [{ name: 'm', source: 'm.yaml' }],
        policy,
        callers,
        limits: { per_caller: {} },
      },
      files: { 'm.yaml': { utcp_version: '1.1.0', tools: [tool('one', 'https://up.example/')] } },
      dependencies: { protocols: createEchoProtocols() },
    });
  });
  afterAll(() => server.close());
  const call = () => fetch(`${server.url}/tools/m/one`, { method: 'POST', headers: bearer('alice') });

  it('refuses calls, manuals and tokens at once with 503 and Retry-After, stays alive, and serves again', async () => {
    let isBusy = true;
    const load = (async () => {
      while (isBusy) {
        spin(60);
        await nextTurn();
      }
    })();
    const status = async () => (await call()).status;
    await expect.poll(status, { timeout: 10_000, interval: 10 }).toBe(503);
    const refused = await call();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await refused.json()).toMatchObject({ code: 'overloaded', retry_after: 1 });
    const manual = await fetch(`${server.url}/utcp`, { headers: bearer('alice') });
    const token = await fetch(`${server.url}/oauth/token`, { method: 'POST' });
    expect([manual.status, token.status]).toEqual([503, 503]);
    for (const path of ['/livez', '/readyz']) expect((await fetch(`${server.url}${path}`)).status).toBe(200);
    isBusy = false;
    await load;
    await expect.poll(status, { timeout: 10_000 }).toBe(200);
    const [event] = server.sink.about(refused.headers.get('x-request-id'));
    expect(event).toMatchObject({ event: 'tool.call', outcome: 'failure', reason: 'event_loop_delay' });
  }, 30_000);
});

describe('the measure of overload', () => {
  const judge = new PressureJudge({ max_event_loop_delay_ms: 100, max_heap_ratio: 0.9, sample_interval_ms: 500 });
  const take = (delay_ms: number, heap_ratio = 0.1) => {
    judge.take({ delay_ms, heap_ratio });
    return judge.reason;
  };

  it('takes one slow moment, such as a reload, for no overload, and two in a row for one until it is over', () => {
    const delays = [0, 5000, 0, Number.POSITIVE_INFINITY, 101, 200, 99, 101];
    const busy = 'event_loop_delay';
    expect(delays.map((delay) => take(delay))).toEqual([...Array(4).fill(undefined), busy, busy, undefined, undefined]);
  });

  it('sees a heap that is nearly full', () => {
    expect([take(0, 0.89), take(0, 0.91), take(0, 0.5)]).toEqual([undefined, 'heap_full', undefined]);
  });

  it('sheds nothing where the configuration says 0', () => {
    const off = new PressureJudge({ max_event_loop_delay_ms: 0, max_heap_ratio: 0, sample_interval_ms: 500 });
    for (let turn = 0; turn < 3; turn++) off.take({ delay_ms: 10_000, heap_ratio: 1 });
    expect(off.reason).toBeUndefined();
  });
});

describe('one upstream that hangs', () => {
  it('leaves the latency of the others alone, for the same caller too, until its breaker opens', async () => {
    const hung = await startUpstream(() => undefined);
    const well = await startUpstream((_request, response) => sendJson(response, { ok: true }));
    const limits = { per_caller: {}, circuit_breaker: { minimum_calls: 10, cool_down_ms: 60_000 } };
    const manual = (name: string) => ({ name, source: `${name}.yaml`, allow_private_hosts: ['127.0.0.1'] });
    const server = await startServer({
      config: { manuals: [{ ...manual('hung'), timeout_ms: 3000 }, manual('well')], policy, callers, limits },
      files: {
        'hung.yaml': { utcp_version: '1.1.0', tools: [tool('wait', hung.origin)] },
        'well.yaml': { utcp_version: '1.1.0', tools: [tool('ask', well.origin)] },
      },
    });
    onTestFinished(() => server.close());
    const tools = { hung: 'hung/wait', well: 'well/ask' };
    const call = async (name: keyof typeof tools) => {
      const start = performance.now();
      const answer = await fetch(`${server.url}/tools/${tools[name]}`, { method: 'POST', headers: bearer('alice') });
      const { code } = JSON.parse(await answer.text());
      return { status: answer.status, code, ms: performance.now() - start };
    };
    const hanging = Array.from({ length: 150 }, () => call('hung'));
    await expect.poll(() => hung.requests.length).toBe(64);
    const answers = [];
    for (let turn = 0; turn < 50; turn++) answers.push(await call('well'));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    // Whoever waited for the one that hangs would have taken its three seconds.
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1500);
    const outcomes = (await Promise.all(hanging)).map(({ status, code }) => `${status} ${code}`);
    expect(outcomes.filter((outcome) => outcome === '504 upstream_timeout')).toHaveLength(64);
    expect(outcomes.filter((outcome) => outcome === '503 overloaded')).toHaveLength(86);
    const refused = await call('hung');
    expect([refused.status, refused.code]).toEqual([503, 'upstream_unavailable']);
    expect(refused.ms).toBeLessThan(1000);
    expect((await call('well')).status).toBe(200);
  });
});
