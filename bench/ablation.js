/** What each stage of a request costs, by taking it out: `node bench/ablation.js [--json FILE]`, after a build. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { capture } from './capture.js';
import { startLoad, startServer, stopAll } from './children.js';
import { callerKey, makeManual } from './fixture.js';
import { Folder } from './folder.js';
import { describeMachine } from './machine.js';
import { Meter } from './measure.js';
import { callRequest, manualRequest, readEtag, startGatehouse, startUpstream } from './scene.js';
import { stageNames } from './stages.js';
import { median } from './statistics.js';

const { values } = parseArgs({ options: { json: { type: 'string' } } });
const rounds = 11;
const round_ms = 200;
const key = callerKey(0);

/** The servers that are compared: the raw one, bare Fastify, and Gatehouse whole, without one stage, without all. */
async function startAll(folder) {
  const upstream = await startUpstream(folder);
  const without = [[], ...stageNames.map((name) => [name]), stageNames];
  const gatehouses = [];
  for (const [index, list] of without.entries()) {
    gatehouses.push(await startGatehouse(folder, upstream.port, { name: `without${index}`, without: list }));
  }
  const manual = makeManual(64, 'https://shelf.example');
  return { raw: await startServer('raw'), fastify: await startServer('fastify', { manual }), gatehouses };
}

async function measureWork(meter, { raw, fastify, gatehouses }, work) {
  const requests = [work.request];
  await raw.ask(await capture(gatehouses[0].port, work.request));
  const sides = [raw, ...gatehouses].map((server) => ({ server, requests, status: work.status }));
  sides.splice(1, 0, { server: fastify, requests: [work.bare], status: work.status });
  for (const side of sides) await meter.run(side, 1000);
  const costs = sides.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, side] of sides.entries()) costs[index].push((await meter.run(side)).cpu_us);
  }
  const over = (one, other) => median(costs[one].map((cost, round) => cost - costs[other][round]));
  const whole = 2;
  return {
    raw_us: median(costs[0]),
    fastify_us: over(1, 0),
    stages_us: Object.fromEntries(stageNames.map((name, index) => [name, over(whole, whole + 1 + index)])),
    all_stages_us: over(whole, costs.length - 1),
    whole_us: over(whole, 0),
  };
}

async function listWorks({ fastify, gatehouses }) {
  const bare = manualRequest(undefined);
  const unchanged = (etag) => ({ 'If-None-Match': etag });
  return {
    'GET /utcp, 304': {
      status: 304,
      request: manualRequest(key, unchanged(await readEtag(gatehouses[0], manualRequest(key)))),
      bare: manualRequest(undefined, unchanged(await readEtag(fastify, bare))),
    },
    'GET /utcp, 200': { status: 200, request: manualRequest(key), bare },
    'local call': { status: 200, request: callRequest(key), bare: callRequest(undefined) },
  };
}

const folder = new Folder();
try {
  const servers = await startAll(folder);
  const meter = new Meter(await startLoad(), servers.raw, { pairs: rounds, run_ms: round_ms, warm_ms: 0 });
  const works = {};
  for (const [name, work] of Object.entries(await listWorks(servers))) {
    works[name] = await measureWork(meter, servers, work);
    console.log(name, works[name]);
  }
  if (values.json)
    writeFileSync(values.json, `${JSON.stringify({ machine: describeMachine(), works }, undefined, 2)}\n`);
} finally {
  await stopAll();
  folder.remove();
}
