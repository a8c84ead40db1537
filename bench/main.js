/** `npm run bench`: see --help. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startLoad, startServer, stopAll } from './children.js';
import { Folder } from './folder.js';
import { canPin, describeMachine } from './machine.js';
import { Meter } from './measure.js';
import { renderRow } from './report.js';
import { rows } from './rows.js';
import { startGatehouse, startUpstream } from './scene.js';

const help = `Usage: npm run bench -- [options]

Measures Gatehouse with every control on against others on the same work: server and load on cores of their own,
32 keep-alive connections, each contender in alternation with node:http writing the same bytes. Takes about four
minutes; the machine should have nothing else to do.

  --quick        shorter runs and fewer pairs, for a first look
  --only IDS     these rows alone, with commas: ${rows.map(({ id }) => id).join(', ')}
  --json FILE    also writes the results there; bench/publish.js makes docs/benchmarks.md of them
  --help         this
`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const settings = values.quick ? { pairs: 3, run_ms: 300, warm_ms: 400 } : { pairs: 7, run_ms: 500, warm_ms: 700 };

async function measureRows(chosen) {
  const folder = new Folder();
  try {
    const upstream = await startUpstream(folder);
    const raw = await startServer('raw');
    const meter = new Meter(await startLoad(), raw, settings);
    const gatehouse = await startGatehouse(folder, upstream.port);
    const context = { folder, meter, upstream, gatehouse };
    const measured = [];
    for (const { id, title, goals, measure } of chosen) {
      if (process.stderr.isTTY) process.stderr.write(`${title} …\r`);
      const row = { id, title, goals, results: await measure(context) };
      console.log(renderRow(row));
      measured.push(row);
    }
    return measured;
  } finally {
    await stopAll();
    folder.remove();
  }
}

function chooseRows(only) {
  if (only === undefined) return rows;
  const ids = only.split(',');
  const unknown = ids.filter((id) => !rows.some((row) => row.id === id));
  if (unknown.length > 0) {
    console.error(`There is no row ${unknown.join(', ')}; see --help.`);
    process.exit(2);
  }
  return rows.filter(({ id }) => ids.includes(id));
}

if (values.help) console.log(help);
else {
  const chosen = chooseRows(values.only);
  if (!canPin) console.error('Processes cannot be kept on a core here (taskset, two cores): ratios will swing more.');
  const measured = await measureRows(chosen);
  const document = {
    machine: describeMachine(),
    settings,
    date: new Date().toISOString().slice(0, 10),
    rows: measured,
  };
  if (values.json) writeFileSync(values.json, `${JSON.stringify(document, undefined, 2)}\n`);
}
