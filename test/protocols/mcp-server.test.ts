import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import {
  callJson,
  catchError,
  closeAll,
  createHarness,
  everythingServer,
  hostileServer,
  makeScope,
} from '../support/mcp.js';
import { childProcesses, eventually, processesWith } from '../support/processes.js';

afterEach(closeAll);

let marks = 0;

/** A flag that the hostile server ignores, by which a test finds its process. */
function mark(): string {
  marks += 1;
  return `--mark-${process.pid}-${marks}`;
}

/** Kills the innermost process of a server: the program itself, not the sandbox around it. */
function killServer(text: string): void {
  const last = processesWith(text).at(-1);
  if (last === undefined) throw new Error(`No process has ${text} on its command line.`);
  process.kill(last, 'SIGKILL');
}

describe.each(['required', 'none'] as const)('a supervised MCP server, sandbox %s', (sandbox) => {
  const settings = { sandbox };

  it('is back within 2 s after kill -9, and says so', async () => {
    const { protocol, prepare, reports } = createHarness();
    const flag = mark();
    const echo = prepare('echo', hostileServer([flag]), { settings });
    await callJson(echo, { text: 'one' });
    expect(protocol.health()).toEqual([{ upstream: 'test', state: 'up' }]);

    const killedAt = performance.now();
    killServer(flag);
    await eventually(
      () => protocol.health()[0]?.state,
      (state) => state !== 'up',
    );
    expect(await callJson(echo, { text: 'two' })).toBe('two');
    expect(performance.now() - killedAt).toBeLessThan(2_000);
    expect(protocol.health()).toEqual([{ upstream: 'test', state: 'up' }]);
    expect(reports).toEqual([
      { kind: 'failed', upstream: 'test', reason: 'exit' },
      { kind: 'restarted', upstream: 'test', reason: 'exit' },
    ]);
  });

  it('fails the calls under way when it dies, and repeats none of them', async () => {
    const { prepare } = createHarness();
    const server = hostileServer([mark()]);
    const never = prepare('never', server, { settings });
    const exit = prepare('exit', server, { settings });
    const received = prepare('received', server, { settings });
    await callJson(received);
    const startedAt = performance.now();
    const errors = await Promise.all([never, never, exit].map((call) => catchError(() => callJson(call))));
    expect(errors.map(({ code }) => code)).toEqual(['upstream_failed', 'upstream_failed', 'upstream_failed']);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    const { methods } = z.object({ methods: z.array(z.string()) }).parse(await callJson(received));
    expect(methods.filter((method) => method === 'tools/call')).toHaveLength(1);
  });

  it('ends with close: no process, whatever it does about its input and signals', async () => {
    const { protocol, prepare } = createHarness();
    const flag = mark();
    const never = prepare('never', hostileServer([flag, '--ignore-end']), { settings });
    const error = catchError(() => callJson(never));
    await eventually(
      () => protocol.health()[0]?.state,
      (state) => state === 'up',
    );
    await protocol.close();
    expect((await error).code).toBe('upstream_failed');
    expect(processesWith(flag)).toEqual([]);
  });
});

describe('a supervised MCP server', () => {
  it('is one process for equal configurations of tools and manuals, and another for a different one', async () => {
    const { protocol, prepare } = createHarness();
    const flag = mark();
    const calls = [
      prepare('echo', hostileServer([flag]), { manual: 'books' }),
      prepare('json', hostileServer([flag]), { manual: 'books' }),
      prepare('echo', hostileServer([flag]), { manual: 'shelves' }),
      prepare('echo', hostileServer([flag], { KEY: 'other' }), { manual: 'books' }),
    ];
    await Promise.all(calls.map((call) => callJson(call)));
    expect(protocol.health()).toEqual([
      { upstream: 'books', state: 'up' },
      { upstream: 'books', state: 'up' },
    ]);
  });

  it('starts at start, before the first call', async () => {
    const { protocol, prepare } = createHarness();
    prepare('echo', hostileServer());
    expect(protocol.health()).toEqual([{ upstream: 'test', state: 'starting' }]);
    await protocol.start();
    expect(protocol.health()).toEqual([{ upstream: 'test', state: 'up' }]);
  });

  it('ends when no tool of a new configuration uses it, after its calls', async () => {
    const { protocol, prepare } = createHarness();
    const [kept, left] = [mark(), mark()];
    const stays = prepare('echo', hostileServer([kept]));
    const goes = prepare('progress', hostileServer([left]));
    await Promise.all([callJson(stays), callJson(goes)]);
    const last = callJson(goes);
    protocol.retain(new Set([stays]));
    expect(await last).toBe('done');
    expect(
      await eventually(
        () => processesWith(left),
        (found) => found.length === 0,
      ),
    ).toEqual([]);
    expect(await callJson(stays, { text: 'still' })).toBe('still');
    expect(protocol.health()).toHaveLength(1);
  });

  it('pauses longer between tries that fail, up to the ceiling, and refuses calls meanwhile', async () => {
    const { protocol, prepare, reports } = createHarness({ restart_ceiling_ms: 3_000 });
    const echo = prepare('echo', hostileServer(['--exit']));
    const startedAt = performance.now();
    const error = await catchError(() => callJson(echo));
    expect(error).toMatchObject({ code: 'upstream_unavailable', reason: 'exit' });
    expect(error.details.retry_after).toBeGreaterThanOrEqual(1);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(reports).toEqual([{ kind: 'failed', upstream: 'test', reason: 'exit' }]);
    await eventually(
      () => protocol.health()[0],
      (health) => health?.state === 'down',
    );
    expect(protocol.health()).toEqual([{ upstream: 'test', state: 'down', reason: 'exit' }]);
  });

  it('takes a server that ends at a request before initialize', async () => {
    const { prepare } = createHarness();
    expect(await callJson(prepare('echo', hostileServer(['--exit-on-probe'])), { text: 'hello' })).toBe('hello');
  });

  it('gives up a start that takes too long', async () => {
    const { prepare } = createHarness({ start_timeout_ms: 300 });
    const error = await catchError(() => callJson(prepare('echo', hostileServer(['--mute']))));
    expect(error).toMatchObject({ code: 'upstream_unavailable', reason: 'start_timeout' });
  });

  it('is restarted when it holds its pipes open and answers no more', async () => {
    const { protocol, prepare, reports } = createHarness({ health_interval_ms: 100 });
    const server = hostileServer([mark()]);
    const [echo, deafen] = [prepare('echo', server), prepare('deafen', server)];
    await callJson(deafen).catch(() => undefined);
    await eventually(
      () => reports.length,
      (count) => count >= 2,
      10_000,
    );
    expect(reports.map(({ kind, reason }) => `${kind} ${reason}`)).toEqual(['failed unhealthy', 'restarted unhealthy']);
    expect(protocol.health()[0]?.state).toBe('up');
    expect(await callJson(echo, { text: 'back' })).toBe('back');
  });

  it('refuses more calls at once than it is allowed', async () => {
    const { prepare } = createHarness({ max_calls_per_server: 2 });
    const server = hostileServer();
    const never = prepare('never', server, { timeout_ms: 1_000 });
    const held = [catchError(() => callJson(never)), catchError(() => callJson(never))];
    expect((await catchError(() => callJson(never))).code).toBe('overloaded');
    expect((await Promise.all(held)).map(({ code }) => code)).toEqual(['upstream_timeout', 'upstream_timeout']);
  });
});

describe('a call of an MCP tool', () => {
  it('ends at the shortest of the timeouts and tells the server', async () => {
    const { prepare } = createHarness();
    const server = hostileServer();
    const [never, received] = [prepare('never', server, { template: { timeout: 0.2 } }), prepare('received', server)];
    await callJson(received);
    const startedAt = performance.now();
    expect((await catchError(() => callJson(never))).code).toBe('upstream_timeout');
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(await callJson(received)).toMatchObject({ methods: expect.arrayContaining(['notifications/cancelled']) });
  });

  it.each(['client_aborted', 'timeout', 'draining'] as const)(
    'settles at once when its scope is cancelled: %s',
    async (reason) => {
      const { prepare } = createHarness();
      const server = hostileServer();
      const [never, received] = [prepare('never', server), prepare('received', server)];
      await callJson(received);
      const scope = makeScope();
      const error = catchError(async () => never.call({}, scope));
      await sleep(50);
      scope.cancel(reason);
      expect((await error).code).toBe(reason === 'timeout' ? 'upstream_timeout' : reason);
      expect(await callJson(received)).toMatchObject({ methods: expect.arrayContaining(['notifications/cancelled']) });
    },
  );

  it('waits for a start no longer than its own time', async () => {
    const { prepare } = createHarness();
    const echo = prepare('echo', hostileServer(['--mute']), { timeout_ms: 300 });
    const startedAt = performance.now();
    expect((await catchError(() => callJson(echo))).code).toBe('upstream_timeout');
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  it('streams progress and then the result', async () => {
    const { prepare } = createHarness();
    const steps = prepare('trigger-long-running-operation', everythingServer());
    const items: unknown[] = [];
    for await (const item of steps.stream?.({ duration: 0.3, steps: 3 }, makeScope()) ?? []) items.push(item);
    expect(items).toEqual([
      ...[1, 2, 3].map((progress) => ({ event: 'progress', data: JSON.stringify({ progress, total: 3 }) })),
      { event: 'result', data: expect.stringContaining('completed') },
    ]);
  });

  it('loses no progress that comes together with the result', async () => {
    const { prepare } = createHarness();
    const progress = prepare('progress', hostileServer());
    const items: unknown[] = [];
    for await (const { data } of progress.stream?.({}, makeScope()) ?? []) items.push(JSON.parse(String(data)));
    expect(items).toEqual([...[1, 2, 3].map((step) => ({ progress: step, total: 3 })), 'done']);
  });

  it('is cancelled on the server when the reader of its stream goes away', async () => {
    const { prepare } = createHarness();
    const server = everythingServer();
    const steps = prepare('trigger-long-running-operation', server);
    const startedAt = performance.now();
    for await (const _item of steps.stream?.({ duration: 8, steps: 80 }, makeScope()) ?? []) break;
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });

  it('leaves nothing behind: 200 at once and 1,000 in a row on one process', async () => {
    const { protocol, prepare } = createHarness();
    const before = childProcesses();
    const echo = prepare('echo', everythingServer());
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => callJson(echo, { message: `n${n}` })));
    expect(answers).toEqual(Array.from({ length: 200 }, (_, n) => `Echo: n${n}`));
    for (let n = 0; n < 1_000; n += 1) await callJson(echo, { message: 'again' });
    expect(childProcesses().length - before.length).toBe(1);
    await protocol.close();
    expect(childProcesses()).toEqual(before);
  }, 30_000);
});
