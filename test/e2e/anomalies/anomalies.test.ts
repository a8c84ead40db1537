import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEchoProtocols } from '../../support/echo.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';
import { sendJson, startUpstream } from '../../support/upstream.js';

const tool = (name: string) => ({
  name,
  description: name,
  inputs: { type: 'object' },
  tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/' },
});
const callers = ['knocker', 'sweeper', 'trapped', 'newcomer', 'copier', 'traveller', 'quiet', 'runner'];
let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    config: {
      server: { trust_proxy: ['127.0.0.1'] },
      manuals: [{ name: 'm', source: 'm.yaml', tools: { trap: { honeypot: true } } }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: callers.map((id) => ({ id, roles: ['user'], api_keys: { current: keyEntry(id) } })),
      limits: { per_caller: { per_minute: 10_000 } },
      anomalies: {
        learning_requests: 3,
        learning_ms: 0,
        rate_spike: { minimum: 45, deviations: 3 },
        actions: { unknown_tool_sweep: ['block'], honeypot: ['block'] },
        block_ms: 60_000,
      },
    },
    files: { 'm.yaml': { utcp_version: '1.1.0', tools: ['one', 'two', 'trap'].map(tool) } },
    dependencies: { protocols: createEchoProtocols() },
  });
});
afterAll(() => server.close());

function call(caller: string, name: string, args: object = {}, from = '198.51.100.7') {
  return fetch(`${server.url}/tools/m/${name}`, {
    method: 'POST',
    headers: { ...bearer(caller), 'content-type': 'application/json', 'x-forwarded-for': from },
    body: JSON.stringify(args),
  });
}

/** What was found, once it is: an answer may reach its caller a moment before its event is written. */
async function found(reason: string, caller: string | undefined, address = '198.51.100.7') {
  const find = () =>
    server.sink
      .of('anomaly.detected')
      .filter((event) => event.reason === reason && event.caller === caller && event.address === address);
  await expect.poll(() => find().length).toBeGreaterThan(0);
  return find();
}

describe('what is unusual about a caller of a running server', () => {
  it('is told with its evidence: a sweep over unknown tools, which then blocks the caller for a time', async () => {
    // A few names may fall together in the detector's sketch, so a few more than eight may be needed.
    for (let turn = 0; turn < 24; turn++) await call('sweeper', `guess-${turn}`);
    expect(await found('unknown_tool_sweep', 'sweeper')).toMatchObject([
      { severity: 'error', evidence: { names: 8, within_s: 3600, examples: expect.arrayContaining(['m.guess-0']) } },
    ]);
    const blocked = await call('sweeper', 'one');
    expect([blocked.status, JSON.parse(await blocked.text()).code]).toEqual([403, 'caller_blocked']);
    const [event, ...more] = server.sink.of('caller.blocked').filter(({ caller }) => caller === 'sweeper');
    expect([event?.reason, more]).toEqual(['unknown_tool_sweep', []]);
    expect(Date.parse(event?.until ?? '') - Date.now()).toBeGreaterThan(50_000);
  });

  it('a call of a honeypot, answered as any unknown tool, which then blocks the caller', async () => {
    const trapped = await call('trapped', 'trap');
    const unknown = await call('quiet', 'nothing');
    expect(trapped.status).toBe(404);
    const { request_id: _one, ...trap } = JSON.parse(await trapped.text());
    const { request_id: _other, ...nothing } = JSON.parse(await unknown.text());
    expect(trap).toEqual(nothing);
    const evidence = { asked_for: 'm.trap' };
    expect(await found('honeypot', 'trapped')).toMatchObject([{ severity: 'critical', evidence }]);
    expect((await call('trapped', 'one')).status).toBe(403);
  });

  it('a burst of refusals, of a caller, and of an address that no caller is known for', async () => {
    for (let turn = 0; turn < 20; turn++) await call('knocker', 'none');
    expect(await found('refusal_burst', 'knocker')).toMatchObject([{ evidence: { within_s: 60, threshold: 15 } }]);
    for (let turn = 0; turn < 20; turn++) await call(`no such key ${turn}`, 'one', {}, '198.51.100.99');
    expect(await found('refusal_burst', undefined, '198.51.100.99')).toHaveLength(1);
  });

  it('the first use of a tool by a caller whose habits are known', async () => {
    for (let turn = 0; turn < 5; turn++) await call('newcomer', 'one');
    await call('newcomer', 'two');
    expect(await found('first_use', 'newcomer')).toMatchObject([{ tool: 'm.two', evidence: { requests_before: 5 } }]);
  });

  it('a payload far larger than usual for caller and tool', async () => {
    for (let turn = 0; turn < 31; turn++) await call('copier', 'one', { q: 'x'.repeat(200 + turn) });
    await call('copier', 'one', { q: 'x'.repeat(100_000) });
    const [event] = await found('payload_size', 'copier');
    expect(event).toMatchObject({ tool: 'm.one', evidence: { direction: 'response', samples: 31 } });
    expect(event?.evidence.bytes).toBeGreaterThan(100_000);
  });

  it('one credential from too many addresses', async () => {
    for (let turn = 0; turn < 9; turn++) await call('traveller', 'one', {}, `203.0.113.${turn}`);
    const [event] = await found('address_spread', 'traveller', '203.0.113.8');
    expect(event).toMatchObject({ severity: 'error', evidence: { addresses: 9 } });
  });

  it('a rate far above its own', async () => {
    for (let turn = 0; turn < 150; turn++) await call('runner', 'one');
    const [event] = await found('rate_spike', 'runner');
    expect(event?.evidence).toMatchObject({ within_s: 10, threshold: expect.any(Number) });
  });

  it('holds no argument and no credential', () => {
    const text = JSON.stringify([...server.sink.of('anomaly.detected'), ...server.sink.of('caller.blocked')]);
    expect(text).not.toContain('xxxx');
    expect(text).not.toContain('no such key');
  });
});

describe('the webhook of a running server', () => {
  it('is told of a finding, signed with the secret of its variable, and tried again', async () => {
    let tries = 0;
    const hook = await startUpstream((_request, response) => {
      tries++;
      sendJson(response, {}, tries === 1 ? 500 : 200);
    });
    const config = {
      manuals: [{ name: 'm', source: 'm.yaml', tools: { trap: { honeypot: true } } }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('alice') } }],
      anomalies: {
        actions: { honeypot: ['webhook'] },
        webhook: { url: `${hook.origin}/hook`, secret_variable: 'UTCP_HOOK' },
      },
    };
    const watched = await startServer({
      config,
      files: { 'm.yaml': { utcp_version: '1.1.0', tools: ['one', 'trap'].map(tool) } },
      environment: { UTCP_HOOK: 'hook-secret' },
      dependencies: { protocols: createEchoProtocols() },
    });
    await fetch(`${watched.url}/tools/m/trap`, { method: 'POST', headers: bearer('alice') });
    await expect.poll(() => hook.requests.length, { timeout: 5000 }).toBe(2);
    const [first, second] = hook.requests;
    expect(second?.headers['x-gatehouse-id']).toBe(first?.headers['x-gatehouse-id']);
    const [, seconds, digest] = /^t=(\d+),v1=(.*)$/.exec(String(second?.headers['x-gatehouse-signature'])) ?? [];
    expect(digest).toBe(createHmac('sha256', 'hook-secret').update(`${seconds}.${second?.body}`).digest('hex'));
    expect(JSON.parse(second?.body ?? '')).toMatchObject({ reason: 'honeypot', caller: 'alice' });
    await watched.close();
  });

  it('without its secret fails the start, and says which variable', async () => {
    const webhook = { url: 'https://hooks.example/', secret_variable: 'UTCP_MISSING' };
    await expect(startServer({ config: { anomalies: { webhook } } })).rejects.toThrow('UTCP_MISSING');
  });
});
