/**
 * Fails when a request has become clearly dearer: `node bench/guard.js [--update]`, after a build. Processor time a
 * request, as a share of what node:http itself takes in the same run: load by others slows both alike, where elapsed
 * time would tell of them alone. Below 80 % of bench/guard.json it measures once more, and then fails.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startLoad, startServer, stopAll } from './children.js';
import { callerKey } from './fixture.js';
import { Folder } from './folder.js';
import { readCpu_us } from './machine.js';
import { Meter } from './measure.js';
import { callRequest, manualRequest, readEtag, startGatehouse, startUpstream } from './scene.js';

const file = `${import.meta.dirname}/guard.json`;
const slack = 0.2;
const warmRequests = 30_000;
const key = callerKey(0);

async function listSides(gatehouse) {
  const etag = await readEtag(gatehouse, manualRequest(key));
  return {
    manual: { server: gatehouse, requests: [manualRequest(key)] },
    unchanged: { server: gatehouse, requests: [manualRequest(key, { 'If-None-Match': etag })], status: 304 },
    call: { server: gatehouse, requests: [callRequest(key)] },
  };
}

/** Runs until the code has been compiled for it; on a busy machine time alone would not do. */
async function warm(meter, side) {
  for (let sent = 0, turn = 0; sent < warmRequests && turn < 16; turn++) {
    const { rate } = await meter.run(side, 400);
    sent += rate * 0.4;
  }
}

async function measureRatios(meter, sides, names) {
  const ratios = {};
  for (const name of names) {
    await warm(meter, sides[name]);
    const { cpu_ratio } = await meter.compareWithRaw(sides[name]);
    ratios[name] = cpu_ratio.median;
  }
  return ratios;
}

/** The names whose ratio is clearly below the stored one. */
function findRegressions(ratios, stored) {
  return Object.keys(ratios).filter((name) => ratios[name] < (stored[name] ?? 0) * (1 - slack));
}

async function guard(update) {
  const folder = new Folder();
  try {
    const upstream = await startUpstream(folder);
    const gatehouse = await startGatehouse(folder, upstream.port);
    const settings = { pairs: 11, run_ms: 200, warm_ms: 300 };
    const meter = new Meter(await startLoad(), await startServer('raw'), settings);
    const sides = await listSides(gatehouse);
    const ratios = await measureRatios(meter, sides, Object.keys(sides));
    if (update) {
      const rounded = Object.entries(ratios).map(([name, ratio]) => [name, Number(ratio.toFixed(2))]);
      writeFileSync(file, `${JSON.stringify(Object.fromEntries(rounded), undefined, 2)}\n`);
      return [];
    }
    const stored = JSON.parse(readFileSync(file, 'utf8'));
    const suspects = findRegressions(ratios, stored);
    Object.assign(ratios, await measureRatios(meter, sides, suspects));
    for (const [name, ratio] of Object.entries(ratios)) {
      console.log(`${name}: ${ratio.toFixed(2)} of node:http by processor time (stored ${stored[name]})`);
    }
    return findRegressions(ratios, stored);
  } finally {
    await stopAll();
    folder.remove();
  }
}

const { values } = parseArgs({ options: { update: { type: 'boolean', default: false } } });
if (readCpu_us(process.pid) === undefined) {
  console.log('Processor time cannot be read here (it needs /proc): nothing was guarded.');
} else {
  const regressions = await guard(values.update);
  if (regressions.length > 0) {
    console.error(`Dearer than 20 % beyond what is stored: ${regressions.join(', ')}.`);
    console.error('Find the cost with bench/ablation.js; store a new ratio (--update) only with a reason.');
    process.exitCode = 1;
  }
}
