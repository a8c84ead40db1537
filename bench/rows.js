/** What is measured: each row is a piece of work, its contenders, and the goal where there is one. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { timeAnswer } from './capture.js';
import { startServer } from './children.js';
import { callerKey, makeCallers, makeManual, toolName } from './fixture.js';
import { writeConfig } from './folder.js';
import { hasNginx, readMemory_mib } from './machine.js';
import { findPort } from './nginx.js';
import {
  callers,
  callRequest,
  manualRequest,
  naiveToken,
  openMcpSession,
  readEtag,
  routedRequest,
  sizeOf,
  startGateway,
  startGuide,
  startNaive,
  timeStart,
} from './scene.js';

const key = callerKey(0);
const everyKey = Array.from({ length: callers }, (_, index) => callerKey(index));
const gzip = { 'Accept-Encoding': 'gzip' };
const manual = makeManual(64, 'https://shelf.example');

/** The contenders of the manual and the call, each started for its own comparisons alone. */
const contenders = {
  gatehouse: async ({ gatehouse }) => ({
    server: gatehouse,
    manual: (headers) => manualRequest(key, headers),
    call: callRequest(key),
  }),
  fastify: async () => ({
    server: await startServer('fastify', { manual }),
    manual: (headers) => manualRequest(undefined, headers),
    call: callRequest(undefined),
  }),
  naive: async ({ folder }) => ({
    server: await startNaive(folder, manual),
    manual: (headers) => manualRequest(naiveToken, headers),
    call: callRequest(naiveToken),
  }),
  mcp: async () => {
    const server = await startServer('mcp');
    const ask = await openMcpSession(server);
    const { query, limit } = JSON.parse(callRequest(key).split('\r\n\r\n')[1]);
    return {
      server,
      manual: () => ask('tools/list'),
      call: ask('tools/call', { name: toolName(0), arguments: { query, limit } }),
    };
  },
  guide: async () => {
    const server = await startGuide(manual);
    return server && { server, manual: () => manualRequest(key), call: callRequest(key) };
  },
};

async function compareAll(context, names, toSide) {
  const results = [];
  for (const name of names) {
    const contender = await contenders[name](context);
    if (!contender) continue;
    const side = { server: contender.server, ...(await toSide(contender)) };
    results.push({ contender: name, base: 'raw', ...(await context.meter.compareWithRaw(side)) });
    if (name !== 'gatehouse') await contender.server.stop();
  }
  return results;
}

async function measureRouted({ meter, gatehouse, upstream, folder }) {
  const requests = [routedRequest(key)];
  const toUpstream = { upstream: `http://127.0.0.1:${upstream.port}` };
  const contenders = { gatehouse, dispatch: await startServer('dispatch', toUpstream) };
  const bases = { 'reply-from': () => startServer('reply-from', toUpstream) };
  if (hasNginx) bases.nginx = () => startGateway(folder, upstream.port);
  const results = [];
  for (const [base, start] of Object.entries(bases)) {
    const server = await start();
    for (const [contender, other] of Object.entries(contenders)) {
      const comparison = await meter.compare({ server, requests }, { server: other, requests });
      results.push({ contender, base, ...comparison });
    }
    await server.stop();
  }
  await contenders.dispatch.stop();
  return results;
}

async function measureCallers({ meter, gatehouse }) {
  const etag = await readEtag(gatehouse, manualRequest(key));
  const works = {
    manual: [(token) => manualRequest(token), 200],
    unchanged: [(token) => manualRequest(token, { 'If-None-Match': etag }), 304],
    call: [callRequest, 200],
    routed: [(token) => routedRequest(token), 200],
  };
  const results = [];
  for (const [name, [render, status]] of Object.entries(works)) {
    const one = { server: gatehouse, requests: [render(key)], status };
    const all = { server: gatehouse, requests: everyKey.map(render), status };
    // The first round verifies each credential and makes its counters.
    await meter.run(all, 2000);
    results.push({ contender: `gatehouse, ${name}`, base: 'one caller', ...(await meter.compare(one, all)) });
  }
  return results;
}

const setCount = 1000;
const setTools = 10_000;

/** A server whose callers each have a permission set of their own: what `grant` gives, as a pattern. */
function startWithSets(folder, name, shelf, grant) {
  const sets = Array.from({ length: setCount }, (_, set) => [`set${set}`, { discover: [grant(set)] }]);
  const config = writeConfig(folder, name, {
    manuals: [shelf],
    roles: { ...Object.fromEntries(sets), all: { discover: ['*'] } },
    callers: makeCallers(setCount + 1, (index) => (index < setCount ? `set${index}` : 'all')),
  });
  return startServer('gatehouse', { config });
}

async function measurePermissionSets({ meter, folder }) {
  const isIn = (tool, set) => (tool - set * 10 + setTools) % setTools < 64;
  const shelf = makeManual(setTools, 'https://shelf.example');
  for (const [index, tool] of shelf.tools.entries()) {
    tool.tags = Array.from({ length: setCount }, (_, set) => set)
      .filter((set) => isIn(index, set))
      .map((set) => `set${set}`);
  }
  const server = await startWithSets(folder, 'sets', shelf, (set) => `tag:set${set}`);
  const few = await startWithSets(folder, 'few', manual, () => '*');
  // Both have just started, on one core: what a start leaves to be done is no part of a build.
  await wait(1000);
  const { first_byte_ms, bytes } = await timeAnswer(server.port, manualRequest(callerKey(setCount)));
  const requests = everyKey.slice(0, setCount).map((token) => manualRequest(token));
  // Each set's manual is built when it is first asked for.
  for (const one of [few, server]) await meter.run({ server: one, requests }, 3000);
  const comparison = await meter.compare({ server: few, requests }, { server, requests });
  const cache_bytes = await server.ask({ read: 'cache' });
  await Promise.all([server.stop(), few.stop()]);
  const first = { first_build_ms: first_byte_ms, first_build_bytes: bytes };
  return [{ contender: 'gatehouse', base: '64 tools', ...comparison, ...first, cache_bytes }];
}

const manyTools = 100_000;

async function measureManyTools({ meter, gatehouse, folder, upstream }) {
  const origin = `http://127.0.0.1:${upstream.port}`;
  const manuals = Array.from({ length: 10 }, (_, part) =>
    makeManual(manyTools / 10, origin, { from: (part * manyTools) / 10 }),
  );
  const config = writeConfig(folder, 'many', { manuals, callers: makeCallers(10) });
  const source_mib = manuals.reduce((sum, _, part) => sum + sizeOf(`${folder.path}/many-${part}.json`), 0) / 2 ** 20;
  const server = await startServer('gatehouse', { config, local: true });
  const memory_mib = readMemory_mib(server.pid);
  const requests = [routedRequest(key)];
  const comparison = await meter.compare({ server: gatehouse, requests }, { server, requests });
  await server.stop();
  return [{ contender: 'gatehouse', base: '64 tools', ...comparison, loaded_mib: memory_mib, source_mib }];
}

async function measureStart({ folder }) {
  const source = findGithubDocument();
  if (!source) return [];
  const config = folder.write('github.json', {
    server: { port: await findPort(), admin: { port: 0 } },
    manuals: [{ name: 'github', source }],
    policy: { roles: { all: { discover: ['*'], call: ['*'] } } },
    callers: makeCallers(1, () => 'all'),
  });
  const starts_ms = [];
  for (let run = 0; run < 3; run++) starts_ms.push(await timeStart(config));
  return [{ contender: 'gatehouse', start_ms: starts_ms.sort((a, b) => a - b)[1] }];
}

function findGithubDocument() {
  const name = 'github-rest.openapi.json';
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'shared/data', name);
    if (existsSync(path)) return path;
  }
  const named = join(process.env.GATEHOUSE_SHARED_DATA ?? '', name);
  return existsSync(named) ? named : undefined;
}

export const rows = [
  {
    id: 'manual',
    title: 'GET /utcp, 64 tools, 200',
    goals: { raw: 0.7 },
    measure: (context) =>
      compareAll(context, Object.keys(contenders), ({ manual: render }) => ({ requests: [render()] })),
  },
  {
    id: 'manual-gzip',
    title: 'GET /utcp, 64 tools, 200, gzip',
    goals: { raw: 0.7 },
    measure: (context) => compareAll(context, ['gatehouse'], ({ manual: render }) => ({ requests: [render(gzip)] })),
  },
  {
    id: 'unchanged',
    title: 'GET /utcp with If-None-Match, 304',
    goals: { raw: 0.65 },
    measure: (context) =>
      compareAll(context, ['gatehouse', 'fastify', 'naive'], async ({ server, manual: render }) => {
        const etag = await readEtag(server, render());
        return { requests: [render({ 'If-None-Match': etag })], status: 304 };
      }),
  },
  {
    id: 'call',
    title: 'local tool call, 200 B in, 300 B out',
    goals: { raw: 0.6 },
    measure: (context) => compareAll(context, Object.keys(contenders), ({ call }) => ({ requests: [call] })),
  },
  { id: 'routed', title: 'routed tool call', goals: { 'reply-from': 1.3, nginx: 0.4 }, measure: measureRouted },
  { id: 'callers', title: '10,000 callers in turn', goals: { 'one caller': 0.8 }, measure: measureCallers },
  {
    id: 'sets',
    title: 'GET /utcp, 10,000 tools, 1,000 permission sets in turn',
    goals: { '64 tools': 0.8, first_build_ms: 100 },
    measure: measurePermissionSets,
  },
  {
    id: 'many',
    title: 'routed tool call with 100,000 tools loaded',
    goals: { '64 tools': 0.9, memory: '3 × the source + 150 MiB' },
    measure: measureManyTools,
  },
  { id: 'start', title: 'start with the OpenAPI document of GitHub', goals: { start_ms: 2000 }, measure: measureStart },
];
