/**
 * Writes bench/results.json and bench/stages.json into the documentation: `node bench/publish.js [--check]`. With --check
 * it writes nothing and fails when a page says something else.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { renderChart } from './chart.js';
import { renderResults, renderStages } from './tables.js';

const root = join(import.meta.dirname, '..');
const read = (path) => readFileSync(join(root, path), 'utf8');
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });

/** The page with what stands between its markers exchanged. */
function fill(page, text) {
  const [start, end] = ['<!-- measured -->', '<!-- /measured -->'];
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`A page lacks ${start} … ${end}.`);
  return `${page.slice(0, from + start.length)}\n\n${text}\n\n${page.slice(to)}`;
}

const results = JSON.parse(read('bench/results.json'));
const stages = JSON.parse(read('bench/stages.json'));
const pages = {
  'docs/benchmarks.md': (page) => fill(page, renderResults(results)),
  'docs/performance.md': (page) => fill(page, renderStages(stages)),
  'docs/benchmarks.svg': () => renderChart(results),
};

for (const [path, render] of Object.entries(pages)) {
  const page = path.endsWith('.md') ? read(path) : '';
  const next = render(page);
  if (!values.check) writeFileSync(join(root, path), next);
  else if (read(path) !== next) {
    console.error(`${path} is not what bench/results.json and bench/stages.json say; run node bench/publish.js.`);
    process.exitCode = 1;
  }
}
