/**
 * How often the anomaly detector finds what it should, and what it shouldn't: `node bench/anomaly.js [--quick] [--json]`.
 * GATEHOUSE_BUILD names the folder of a build; dist/ when absent. Prints what docs/anomalies.md quotes.
 */
import { join, resolve } from 'node:path';
import { attacks, createRandom, makeAttack, makeCaller } from './traffic.js';

const build = process.env.GATEHOUSE_BUILD ?? join(import.meta.dirname, '../dist');
const { anomaliesSchema, anomalyKinds, createAnomalyDetector } = await import(resolve(build, 'limits/index.js'));
const quick = process.argv.includes('--quick');
const callers = quick ? 20 : 200;
const trials = quick ? 10 : 50;
const days = 3;
const learningDays = 1;
const day = 86_400_000;

/** Findings in ordinary traffic after the learning days. */
function measureQuiet() {
  const random = createRandom(1);
  const detector = createAnomalyDetector(anomaliesSchema.parse({}));
  const counts = Object.fromEntries(anomalyKinds.map((kind) => [kind, 0]));
  let requests = 0;
  for (let index = 0; index < callers; index++) {
    for (const request of makeCaller(random, index, days).requests) {
      const findings = detector.observe(request);
      if (request.at_ms < learningDays * day) continue;
      requests++;
      for (const { kind } of findings) counts[kind]++;
    }
  }
  return { requests, caller_days: callers * (days - learningDays), findings: counts };
}

/** How many attacks of a kind are found while they last, and after how many of their requests (the median). */
function measureAttack(attack, seed) {
  const random = createRandom(seed);
  const after = [];
  for (let index = 0; index < trials; index++) {
    const detector = createAnomalyDetector(anomaliesSchema.parse({}));
    const { habits, requests } = makeCaller(random, index, 2);
    const at = day + 8 * 3_600_000 + random() * 8 * 3_600_000;
    const begun = requests.filter((request) => request.at_ms < at);
    for (const request of begun) detector.observe(request);
    const step = makeAttack(random, habits, attack, at).findIndex((request) =>
      detector.observe(request).some(({ kind }) => kind === attack.kind),
    );
    if (step >= 0) after.push(step + 1);
  }
  after.sort((a, b) => a - b);
  return { found: after.length / trials, median_requests: after[Math.floor(after.length / 2)] ?? null };
}

/** What one observation costs, in microseconds. */
function measureCost() {
  const detector = createAnomalyDetector(anomaliesSchema.parse({}));
  const { requests } = makeCaller(createRandom(3), 2, 2);
  for (const request of requests) detector.observe(request);
  const start = performance.now();
  for (const request of requests) detector.observe(request);
  return ((performance.now() - start) / requests.length) * 1000;
}

const quiet = measureQuiet();
const found = Object.entries(attacks).map(([name, attack], index) => [name, measureAttack(attack, 100 + index)]);
const cost_us = measureCost();

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ quiet, attacks: Object.fromEntries(found), cost_us }));
} else {
  console.log(
    `ordinary traffic: ${quiet.requests} requests in ${quiet.caller_days} caller-days after a day of learning`,
  );
  for (const [kind, count] of Object.entries(quiet.findings)) {
    console.log(
      `  ${kind.padEnd(20)} ${String(count).padStart(5)}  ${(count / quiet.caller_days).toFixed(3)} a caller-day`,
    );
  }
  console.log(`attacks, ${trials} of each`);
  for (const [name, { found: share, median_requests }] of found) {
    const when = median_requests === null ? '' : `after ${median_requests} requests (median)`;
    console.log(`  ${name.padEnd(26)} ${(share * 100).toFixed(0).padStart(4)} %  ${when}`);
  }
  console.log(`one observation: ${cost_us.toFixed(2)} us`);
}
