import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import {
  type EveryProtocol,
  type EveryUpstream,
  type ProtocolCase,
  protocolCases,
  sleepTime,
  startEveryProtocol,
  startEveryUpstream,
} from '../support/every-protocol.js';
import { childProcesses, eventually, processesWith } from '../support/processes.js';
import { describeWithProgram } from '../support/requirement.js';
import { countResources, expectNothingLeft, type OpenResources } from '../support/resources.js';
import { bearer } from '../support/server.js';
import { runMany } from '../support/stream.js';

// In whole with `npm run test:endurance`, in small with `npm test`; each kind of ending comes once in twenty calls.
const [sequential, parallel] = process.env.ENDURANCE === 'full' ? [1000, 200] : [40, 20];
const minutes = 60_000;
// Hardly more than are made at once: places that are not given back would be missed.
const places = parallel + 10;

/** How the calls ended, and how often. */
type Endings = Map<string, number>;

describeWithProgram('bwrap', 'a running server leaves no process, socket, file descriptor or timer behind', () => {
  let upstreams: EveryUpstream;
  let before: OpenResources;
  let children: readonly number[];
  beforeAll(async () => {
    upstreams = await startEveryUpstream();
    // What is loaded and opened once in a process stays.
    const gate = await startEveryProtocol(upstreams);
    await exercise(gate, protocolCases, 20, 4);
    await gate.close();
    children = await eventually(childProcesses, (found) => found.length === 1);
    before = await settle();
  });
  afterAll(() => upstreams?.close());

  it.each(protocolCases)(
    `$type ($name): after ${sequential} calls in a row and ${parallel} at once, aborts and timeouts included`,
    { timeout: 5 * minutes },
    async (one) => {
      const gate = await startEveryProtocol(upstreams, [one], places);
      onTestFinished(() => gate.close());
      const running = childProcesses();
      const inRow = await exercise(gate, [one], sequential, 1);
      const atOnce = await exercise(gate, [one], parallel, parallel);
      expectEveryEnding(one, inRow, sequential);
      expectSomeOfEachEnding(one, atOnce, parallel);
      await expectQuiet(gate, running);
      await gate.close();
      await expectNothingAtAll();
    },
  );

  it(`inbound websocket: after ${sequential} connections in a row and ${parallel} at once, broken ones included`, {
    timeout: 5 * minutes,
  }, async () => {
    const gate = await startEveryProtocol(upstreams, protocolCases.slice(0, 1), places);
    onTestFinished(() => gate.close());
    const running = childProcesses();
    await runMany(sequential, 1, (turn) => converse(gate.url, turn));
    await runMany(parallel, parallel, (turn) => converse(gate.url, turn));
    await expectQuiet(gate, running);
    await gate.close();
    await expectNothingAtAll();
  });

  /** While it runs: no call, no stream, no process but the supervised ones, no connection beyond the pools'. */
  async function expectQuiet(gate: EveryProtocol, running: readonly number[]): Promise<void> {
    const { gate: traffic } = gate.server.server;
    await expect
      .poll(() => [traffic.calls.size, traffic.streams.size, traffic.active], { timeout: 10_000 })
      .toEqual([0, 0, 0]);
    expect(await eventually(childProcesses, (found) => found.length <= running.length)).toEqual(running);
    await expect
      .poll(() => upstreams.web.connections.open.size + upstreams.sockets.open, { timeout: 10_000 })
      .toBeLessThanOrEqual(130);
  }

  async function expectNothingAtAll(): Promise<void> {
    expect(
      await eventually(
        () => processesWith(sleepTime),
        (found) => found.length === 0,
      ),
    ).toEqual([]);
    expect(await eventually(childProcesses, (found) => found.length <= children.length)).toEqual(children);
    await expect.poll(() => upstreams.sockets.open).toBe(0);
    await expectNothingLeft(before);
  }
});

/** Counts once nothing closes any more. */
async function settle(): Promise<OpenResources> {
  let last = countResources();
  for (let now = await again(); now.descriptors !== last.descriptors; now = await again()) last = now;
  return last;
}

async function again(): Promise<OpenResources> {
  await sleep(250);
  return countResources();
}

/** Calls so that each ends well, refused, failed, at its timeout or by an abort, by turns. */
async function exercise(
  { url }: EveryProtocol,
  cases: readonly ProtocolCase[],
  count: number,
  width: number,
): Promise<Endings> {
  const dispatcher = new Agent({ connections: width, pipelining: 1 });
  const endings: Endings = new Map();
  await runMany(count * cases.length, width, async (index) => {
    const one = cases[index % cases.length];
    const ending = one ? await callByTurns(`${url}/tools/all/`, one, Math.floor(index / cases.length), dispatcher) : '';
    endings.set(ending, (endings.get(ending) ?? 0) + 1);
  });
  await dispatcher.close();
  return endings;
}

async function callByTurns(base: string, one: ProtocolCase, turn: number, dispatcher: Agent): Promise<string> {
  const { name, args, hangs, items } = one;
  const kind = turn % 20;
  const aborts = kind === 5 || kind === 13;
  const suffix = kind === 7 ? '_fail' : hangs && (aborts || kind === 3) ? '_hang' : '';
  const controller = new AbortController();
  const timer = aborts ? setTimeout(() => controller.abort(), 40) : undefined;
  // The streaming form is aborted by turns with the one that answers whole.
  const accept = items && kind === 13 ? 'text/event-stream' : 'application/json';
  try {
    const { statusCode, body } = await request(`${base}${name}${suffix}`, {
      method: 'POST',
      headers: { ...bearer('agent-key'), 'content-type': 'application/json', accept },
      body: JSON.stringify(kind === 11 ? { ...args, stray: 1 } : args),
      signal: controller.signal,
      dispatcher,
    });
    await body.text();
    return String(statusCode);
  } catch (error) {
    if (controller.signal.aborted) return 'aborted';
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function expectEveryEnding({ type, hangs }: ProtocolCase, endings: Endings, count: number): void {
  const share = count / 20;
  const isFile = type === 'text' || type === 'file';
  expect(endings.get('400')).toBe(isFile ? 2 * share : share);
  if (!isFile) expect(endings.get('502')).toBe(share);
  if (hangs) expect(endings.get('504')).toBe(share);
  if (hangs) expect(endings.get('aborted')).toBe(2 * share);
  expect(endings.get('200')).toBeGreaterThanOrEqual(15 * share);
}

/** At once, a call may wait behind others until its own end is another's (503, 504): of each there are some. */
function expectSomeOfEachEnding({ type, hangs }: ProtocolCase, endings: Endings, count: number): void {
  const some = count / 40;
  const isFile = type === 'text' || type === 'file';
  const expected = ['200', '400', ...(isFile ? [] : ['502']), ...(hangs ? ['504', 'aborted'] : [])];
  expect(expected.filter((ending) => (endings.get(ending) ?? 0) < some)).toEqual([]);
  expect([...endings.values()].reduce((sum, ended) => sum + ended, 0)).toBe(count);
}

/** One connection: a message answered, then closed well, cut, or cut with a call under way. */
async function converse(url: string, turn: number): Promise<void> {
  const tool = turn % 4 === 3 ? 'web_hang' : 'web';
  const socket = new WebSocket(`${url.replace('http', 'ws')}/tools/all/${tool}/ws`, { headers: bearer('agent-key') });
  socket.on('error', () => undefined);
  await once(socket, 'open');
  socket.send(JSON.stringify({ id: turn, arguments: { word: 'x' } }));
  if (tool === 'web') {
    const [message] = await once(socket, 'message');
    expect(JSON.parse(String(message))).toMatchObject({ id: turn, result: { word: 'x' } });
  }
  const closed = once(socket, 'close');
  if (turn % 2 === 0) socket.close();
  else socket.terminate();
  await closed;
}
