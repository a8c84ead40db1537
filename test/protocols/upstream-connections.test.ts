import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { PreparedCall } from '../../src/core/index.js';
import type { ProtocolRegistry } from '../../src/protocols/registry.js';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { sendJson, startUpstream, type TestUpstream } from '../support/upstream.js';

/** As many as one origin holds for calls. */
const most = 128;

let upstream: TestUpstream;
let registry: ProtocolRegistry;
let tool: PreparedCall;
/** Answers that the upstream has not given yet. */
let open: ServerResponse[];
beforeEach(async () => {
  open = [];
  upstream = await startUpstream((_request, response) => open.push(response));
  registry = makeRegistry().registry;
  tool = prepare({ url: upstream.origin }, [], {}, registry);
});

/** Calls that take every connection; gives how many of them fail, once all have ended. */
async function fill(): Promise<{ failures: Promise<number> }> {
  const running = Promise.allSettled(Array.from({ length: most }, () => call(tool)));
  await expect.poll(() => open.length).toBe(most);
  return { failures: running.then((outcomes) => outcomes.filter(({ status }) => status === 'rejected').length) };
}

function answer(): void {
  for (const response of open.splice(0)) sendJson(response, 'ok');
}

describe('calls beyond the connections of an origin', () => {
  it('wait for one that is given back, in turn, and those that have ended meanwhile take none', async () => {
    const running = await fill();
    const first = call(tool);
    const given = makeScope();
    const ended = failure(tool, {}, given);
    const last = call(tool);
    given.cancel('client_aborted');
    expect(await ended).toMatchObject({ code: 'client_aborted' });
    expect(upstream.connections.made).toBe(most);
    answer();
    expect(await running.failures).toBe(0);
    await expect.poll(() => open.length).toBe(2);
    answer();
    expect(await Promise.all([first, last])).toEqual(['ok', 'ok']);
    expect([upstream.requests.length, upstream.connections.made]).toEqual([most + 2, most]);
  });

  it('go on a new one when one is lost', async () => {
    const running = await fill();
    const waiting = call(tool);
    const lost = open.pop();
    lost?.destroy();
    await expect.poll(() => open.length).toBe(most);
    answer();
    expect(await waiting).toBe('ok');
    expect(await running.failures).toBe(1);
    expect(upstream.connections.made).toBe(most + 1);
  });

  it('fail with those in flight when the server closes, and none is begun any more', async () => {
    const running = await fill();
    const waiting = failure(tool);
    await registry.close();
    expect(await waiting).toMatchObject({ code: 'upstream_failed', reason: 'closed' });
    expect(await failure(tool)).toMatchObject({ code: 'upstream_failed', reason: 'closed' });
    expect(await running.failures).toBe(most);
    await expect.poll(() => upstream.connections.open.size).toBe(0);
  });
});

it('a call to an upstream that no tool has any more goes on, and ends when the server closes', async () => {
  const running = failure(tool);
  await expect.poll(() => open.length).toBe(1);
  registry.retain(new Set());
  expect(upstream.connections.open.size).toBe(1);
  await registry.close();
  expect(await running).toMatchObject({ code: 'upstream_failed', reason: 'closed' });
});

it('a call that is over takes its connection with it, and opens no other', async () => {
  const scope = makeScope();
  const ended = failure(tool, {}, scope);
  await expect.poll(() => open.length).toBe(1);
  scope.cancel('client_aborted');
  await ended;
  await expect.poll(() => upstream.connections.open.size).toBe(0);
  await new Promise((done) => setTimeout(done, 50));
  expect(upstream.connections.made).toBe(1);
});

it('a call that is over while its connection is being made takes that with it', async () => {
  // Once its backlog is full, who connects hears nothing.
  const listen = `const { createServer } = require('node:net');
    const server = createServer().listen(0, '127.0.0.1', 1, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const deaf = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void deaf.kill('SIGKILL'));
  const port = Number(String(await once(deaf.stdout, 'data')));
  for (let queued = 0; queued < 3; queued++) {
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
  }
  const countConnecting = () => process.getActiveResourcesInfo().filter((name) => name === 'ConnectWrap').length;
  await expect.poll(countConnecting).toBe(1);
  const unheard = prepare({ url: `http://127.0.0.1:${port}` }, [], {}, registry);
  const scopes = Array.from({ length: 10 }, () => makeScope());
  const ended = scopes.map((scope) => failure(unheard, {}, scope));
  await expect.poll(countConnecting).toBe(11);
  for (const scope of scopes) scope.cancel('client_aborted');
  await Promise.all(ended);
  // Long before it would be given up by itself.
  await expect.poll(countConnecting, { timeout: 4000 }).toBe(1);
});
