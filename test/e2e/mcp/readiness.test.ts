import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hostileServer } from '../../support/mcp.js';
import { sendJson, startFakeMcpServer, textResult } from '../../support/mcp-http-server.js';
import { processesWith } from '../../support/processes.js';
import { describeWithProgram } from '../../support/requirement.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';

/** A Gatehouse with one manual on one MCP server. */
async function startGate(server_config: object): Promise<TestServer> {
  const gate = await startServer({
    config: {
      manuals: [{ name: 'tools', source: 'mcp', allow_private_hosts: ['127.0.0.1'], mcp: { server_config } }],
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }],
    },
  });
  onTestFinished(() => gate.close());
  return gate;
}

interface Told {
  readonly status: string;
  readonly upstreams: readonly { readonly state: string; readonly reason?: string }[];
}

async function readReadiness({ server }: TestServer): Promise<Told> {
  return Object(await (await fetch(`${server.admin_url}/readyz?verbose`)).json());
}

/** What readiness tells, time and again, until it tells that all is up; each different answer once. */
async function watchUntilUp(gate: TestServer, within_ms: number): Promise<readonly Told[]> {
  const told: Told[] = [];
  const end = performance.now() + within_ms;
  while (performance.now() < end) {
    const { status, upstreams } = await readReadiness(gate);
    if (JSON.stringify(told.at(-1)) !== JSON.stringify({ status, upstreams })) told.push({ status, upstreams });
    if (told.length > 1 && upstreams[0]?.state === 'up') break;
    await sleep(5);
  }
  return told;
}

async function call(gate: TestServer, tool: string, args: object) {
  const headers = { ...bearer('k'), 'content-type': 'application/json' };
  const response = await fetch(`${gate.url}/tools/tools/${tool}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(args),
  });
  return { status: response.status, body: await response.json() };
}

describeWithProgram('bwrap', '/readyz?verbose and an MCP server that is killed', () => {
  it('kill -9: says starting, then up within 2 s, and calls are answered again', async () => {
    const flag = `--ready-${process.pid}`;
    const gate = await startGate(hostileServer([flag]));
    expect(await call(gate, 'echo', { text: 'one' })).toEqual({ status: 200, body: 'one' });
    expect(await readReadiness(gate)).toMatchObject({ status: 'ok', upstreams: [{ upstream: 'tools', state: 'up' }] });
    const innermost = processesWith(flag).at(-1);
    if (innermost === undefined) throw new Error('The server does not run.');
    const killedAt = performance.now();
    process.kill(innermost, 'SIGKILL');
    const told = await watchUntilUp(gate, 2_000);
    expect(performance.now() - killedAt).toBeLessThan(2_000);
    const states = told.map(({ status, upstreams }) => `${status} ${upstreams[0]?.state}`);
    expect(states.at(-1)).toBe('ok up');
    expect(states.some((state) => /^degraded (starting|down)$/.test(state))).toBe(true);
    expect(await call(gate, 'echo', { text: 'two' })).toEqual({ status: 200, body: 'two' });
  });
});

describe('/readyz?verbose and an MCP server over HTTP that goes away', () => {
  it('says down with a reason while it is away, and up once it is back, by itself and within 2 s', async () => {
    const answer = (response: Parameters<typeof sendJson>[0], id: number | string) =>
      sendJson(response, textResult(id, 'done'));
    const first = await startFakeMcpServer(answer);
    const port = Number(new URL(first.url).port);
    const gate = await startGate({ url: first.url });
    expect(await call(gate, 'act', {})).toEqual({ status: 200, body: 'done' });
    await first.close();
    expect((await call(gate, 'act', {})).status).toBeGreaterThanOrEqual(502);
    expect(await readReadiness(gate)).toMatchObject({
      status: 'degraded',
      upstreams: [{ upstream: `127.0.0.1:${port}`, state: 'down', reason: 'connection' }],
    });
    expect(await (await fetch(`${gate.url}/readyz?verbose`)).json()).toEqual({ status: 'ok' });
    const second = await startFakeMcpServer(answer, port);
    onTestFinished(() => second.close());
    const told = await watchUntilUp(gate, 2_000);
    expect(told.at(-1)).toMatchObject({ status: 'ok', upstreams: [{ state: 'up' }] });
    expect(await call(gate, 'act', {})).toEqual({ status: 200, body: 'done' });
  });
});
