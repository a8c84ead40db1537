import { expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../../src/client/index.js';
import { everythingServer, hostileServer } from '../../support/mcp.js';
import { connectOfficial, statusOf } from '../../support/official-client.js';
import { eventually, processesWith } from '../../support/processes.js';
import { describeWithProgram } from '../../support/requirement.js';
import { bearer, keyEntry, startServer } from '../../support/server.js';

/** A Gatehouse whose manual is what an MCP server lists, with a reader and an agent. */
async function startGate(server_config: object, more: Readonly<Record<string, unknown>> = {}) {
  const gate = await startServer({
    config: {
      manuals: [
        {
          name: 'tools',
          source: 'mcp',
          mcp: { server_config },
          ...more,
        },
      ],
      policy: {
        roles: {
          agent: { discover: ['*'], call: ['*'] },
          reader: { discover: ['tag:read', 'tools.echo'], call: ['tools.echo'] },
        },
      },
      callers: [
        { id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('agent-key') } },
        { id: 'reader', roles: ['reader'], api_keys: { current: keyEntry('reader-key') } },
      ],
    },
  });
  onTestFinished(() => gate.close());
  return gate;
}

async function post(url: string, tool: string, args: object) {
  const headers = { ...bearer('agent-key'), 'content-type': 'application/json' };
  const response = await fetch(`${url}/tools/tools/${tool}`, { method: 'POST', headers, body: JSON.stringify(args) });
  return { status: response.status, body: await response.json() };
}

describeWithProgram('bwrap', 'an MCP server behind the gate, from a configuration file', () => {
  it('is listed and called by the official client', async () => {
    const { url } = await startGate(everythingServer());
    const client = await connectOfficial(url, { bearer: 'agent-key' });
    expect(client.errors).toEqual([]);
    expect(client.tools).toEqual(expect.arrayContaining(['echo', 'get_sum', 'get_structured_content']));
    expect(await client.call('echo', { body: { message: 'hello' } })).toBe('Echo: hello');
    expect(await client.call('get_structured_content', { body: { location: 'Chicago' } })).toMatchObject({
      humidity: 82,
    });
  });

  it('shows and lets call what the policy grants, and no more', async () => {
    const { url } = await startGate(everythingServer());
    const client = await connectOfficial(url, { bearer: 'reader-key' });
    expect(client.tools).toEqual(expect.arrayContaining(['echo', 'get_sum']));
    expect(client.tools).not.toContain('toggle_simulated_logging');
    expect(await client.call('echo', { body: { message: 'hello' } })).toBe('Echo: hello');
    expect(statusOf(await client.call('get_sum', { body: { a: 1, b: 2 } }).catch((error: unknown) => error))).toBe(403);
  });

  it('streams its progress to the reference client', async () => {
    const tools = { trigger_long_running_operation: { publish_as: ['http', 'streamable_http'] } };
    const { url } = await startGate(everythingServer(), { tools });
    const client = createClient({ url, credential: { bearer: 'agent-key' }, retries: 0 });
    onTestFinished(() => client.close());
    const items: unknown[] = [];
    const args = { duration: 0.2, steps: 2 };
    for await (const { data } of client.stream('trigger_long_running_operation', args)) items.push(data);
    expect(items).toEqual([{ progress: 1, total: 2 }, { progress: 2, total: 2 }, expect.stringContaining('completed')]);
  });

  it('names progress and result in an event stream', async () => {
    const { url } = await startGate(everythingServer());
    const response = await fetch(`${url}/tools/tools/trigger_long_running_operation`, {
      method: 'POST',
      headers: { ...bearer('agent-key'), 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ duration: 0.1, steps: 1 }),
    });
    expect(await response.text()).toMatch(
      /event: progress\ndata: \{"progress":1,"total":1\}\n\nevent: result\ndata: "Long/,
    );
  });

  it('refuses arguments outside the schema before the server sees them', async () => {
    const { url } = await startGate(everythingServer());
    expect(await post(url, 'get_sum', { a: 'one', b: 2 })).toMatchObject({
      status: 400,
      body: { code: 'invalid_input' },
    });
  });

  it('serves nothing of how the server is run', async () => {
    const { url } = await startGate(hostileServer([], { KEY: 'a-secret-value' }));
    const manual = await (await fetch(`${url}/utcp`, { headers: bearer('agent-key') })).text();
    expect(manual).toContain('"echo"');
    for (const hidden of [
      'a-secret-value',
      'server_config',
      'hostile-mcp-server',
      'definition_digest',
      process.execPath,
    ]) {
      expect(manual).not.toContain(hidden);
    }
    const failed = JSON.stringify(await post(url, 'fail', {}));
    expect(failed).toContain('The tool reported an error.');
    expect(failed).not.toContain('/srv/books');
  });

  it('answers 502 to the call under way when it dies, is back within 2 s, and both are events', async () => {
    const flag = `--e2e-${process.pid}`;
    const { url, sink } = await startGate(hostileServer([flag]));
    expect(await post(url, 'echo', { text: 'one' })).toEqual({ status: 200, body: 'one' });
    const killedAt = performance.now();
    expect(await post(url, 'exit', {})).toMatchObject({ status: 502, body: { code: 'upstream_failed' } });
    expect(await post(url, 'echo', { text: 'two' })).toEqual({ status: 200, body: 'two' });
    expect(performance.now() - killedAt).toBeLessThan(2_000);
    const upstream = sink.events.filter(({ event }) => event === 'upstream.failed');
    expect(upstream).toMatchObject([
      { outcome: 'failure', upstream: 'tools', reason: 'exit' },
      { outcome: 'success', upstream: 'tools', reason: 'exit' },
    ]);
  });

  it('answers 503 for a tool that has changed, and goes on with the others', async () => {
    const { url, sink } = await startGate(hostileServer());
    expect((await post(url, 'change', {})).status).toBe(200);
    expect(await post(url, 'echo', { text: 'again' })).toMatchObject({
      status: 503,
      body: { code: 'upstream_unavailable', detail: 'The definition of this tool has changed and waits for approval.' },
    });
    expect((await post(url, 'json', {})).status).toBe(200);
    const reported = sink.events.filter(({ event, tool }) => event === 'upstream.failed' && tool === 'tools.echo');
    expect(reported).toMatchObject([{ outcome: 'failure', reason: 'definition_changed' }]);
  });

  it('ends with the server', async () => {
    const flag = `--e2e-end-${process.pid}`;
    const gate = await startGate(hostileServer([flag, '--ignore-end']));
    expect(processesWith(flag).length).toBeGreaterThan(0);
    await gate.server.close();
    expect(
      await eventually(
        () => processesWith(flag),
        (found) => found.length === 0,
      ),
    ).toEqual([]);
  });
});
