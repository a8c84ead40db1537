import { performance } from 'node:perf_hooks';
import { Client } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEchoProtocols } from '../../support/echo.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';

const tool = (name: string) => ({
  name,
  description: name,
  inputs: { type: 'object', properties: { q: { type: 'string' } } },
  tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/' },
});
const manualOf = (...names: string[]) => ({
  utcp_version: '1.1.0',
  manual_version: '1.0.0',
  tools: names.map(tool),
});
let server: TestServer;
let client: Client;

beforeAll(async () => {
  server = await startServer({
    config: {
      server: { load_shedding: { max_event_loop_delay_ms: 0 } },
      manuals: [
        { name: 'm', source: 'm.yaml', tools: { trap____x: { honeypot: true } } },
        // Large enough that going over its tools would show.
        { name: 'large', source: 'large.yaml' },
      ],
      policy: {
        roles: {
          user: { discover: ['m.visible_x'], call: ['m.visible_x'] },
          none: { deny: ['m.denied__x'] },
          // Decided anew at every request, and never true.
          ...Object.fromEntries(
            Array.from({ length: 8 }, (_, index) => [
              `conditional_${index}`,
              {
                discover: ['m.failed__x'],
                call: ['m.failed__x'],
                when: `in_network(address, "192.0.2.${index}/32") && caller.roles.exists(r, r.matches("^cond.*x$"))`,
              },
            ]),
          ),
        },
      },
      callers: [
        {
          id: 'alice',
          roles: ['user', 'none', ...Array.from({ length: 8 }, (_, index) => `conditional_${index}`)],
          api_keys: { current: keyEntry('alice-key') },
        },
      ],
      limits: { per_caller: {} },
    },
    files: {
      'm.yaml': manualOf('visible_x', 'invisible', 'denied__x', 'failed__x', 'trap____x'),
      'large.yaml': manualOf(...Array.from({ length: 2000 }, (_, index) => `tool_${index}`)),
    },
    dependencies: { protocols: createEchoProtocols(), report: () => undefined },
  });
  client = new Client(server.url);
});
afterAll(async () => {
  await client.close();
  await server.close();
});

async function measure(method: 'GET' | 'POST', path: string): Promise<number> {
  const start = performance.now();
  const { statusCode, body } = await client.request({
    method,
    path,
    headers: bearer('alice-key'),
    ...(method === 'POST' && { body: '{"q":"x"}' }),
  });
  await body.text();
  expect(statusCode).toBe(404);
  return performance.now() - start;
}

/** Times of each path, taken in turns and in an order that changes, so that a slow moment of the machine meets all. */
async function sample(method: 'GET' | 'POST', paths: readonly string[], rounds: number): Promise<number[][]> {
  const times = paths.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < paths.length; turn++) {
      const index = (turn + round) % paths.length;
      times[index]?.push(await measure(method, paths[index] ?? ''));
    }
  }
  return times;
}

/**
 * How far two samples are from being of one kind, by the rank test of Mann and Whitney: 0 when a time of one is as likely
 * the shorter as the longer, 0.5 when it always is. Outliers count for one rank each, however far out.
 */
function difference(one: readonly number[], other: readonly number[]): number {
  const all = [...one.map((time) => ({ time, first: 1 })), ...other.map((time) => ({ time, first: 0 }))];
  all.sort((a, b) => a.time - b.time);
  const ranks = all.reduce((sum, { first }, index) => sum + first * (index + 1), 0);
  const larger = ranks - (one.length * (one.length + 1)) / 2;
  return Math.abs(larger / (one.length * other.length) - 0.5);
}

const rounds = 300;
/** With 300 of each, chance alone stays below 0.08 but once in a thousand times. */
const tolerance = 0.1;

async function findDifferences(method: 'GET' | 'POST', paths: readonly string[]): Promise<number[]> {
  await sample(method, paths, 50);
  const [first = [], ...others] = await sample(method, paths, rounds);
  return others.map((times) => difference(first, times));
}

/** A true difference shows each time; chance, or a machine that stutters, does not. */
async function expectAlike(method: 'GET' | 'POST', paths: readonly string[]): Promise<void> {
  let worst = 1;
  for (let attempt = 0; attempt < 3 && worst >= tolerance; attempt++) {
    worst = Math.max(...(await findDifferences(method, paths)));
  }
  expect(worst).toBeLessThan(tolerance);
}

describe('the time of an answer', () => {
  it('is the same for unknown, invisible, denied, conditional and honeypot tools', { timeout: 60_000 }, async () => {
    const names = ['m/unknown_x', 'm/invisible', 'm/denied__x', 'm/failed__x', 'm/trap____x', 'y/unknown_x'];
    await expectAlike(
      'POST',
      names.map((name) => `/tools/${name}`),
    );
  });

  it('is the same for unknown and invisible manuals, however large', { timeout: 60_000 }, async () => {
    await expectAlike('GET', ['/utcp/other', '/utcp/large']);
  });
});
