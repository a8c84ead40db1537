/**
 * The runs of minutes, for a person: `npm run chaos` and `npm run soak`. Both are Vitest files with a configuration of
 * their own; this names how long they last, and prints what they wrote down. docs/failure-modes.md quotes it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const runs = {
  chaos: { unit: 'seconds', variable: 'CHAOS_SECONDS', standard: '5', what: 'each fault lasts' },
  soak: { unit: 'minutes', variable: 'SOAK_MINUTES', standard: '3', what: 'the load lasts' },
};

/** Says how it is used, and ends. */
function showUsage(code) {
  const lines = Object.entries(runs).map(
    ([name, { unit, standard, what }]) =>
      `  npm run ${name} -- --${unit} N   how many ${unit} ${what} (default ${standard})`,
  );
  (code === 0 ? process.stdout : process.stderr).write(`Usage:\n${lines.join('\n')}\n`);
  process.exit(code);
}

function readArguments() {
  try {
    const options = { seconds: { type: 'string' }, minutes: { type: 'string' }, help: { type: 'boolean', short: 'h' } };
    return parseArgs({ allowPositionals: true, options });
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return showUsage(2);
  }
}

const { positionals, values } = readArguments();
if (values.help) showUsage(0);
const name = positionals[0] ?? '';
const run = Object.hasOwn(runs, name) ? runs[name] : showUsage(2);
const length = values[run.unit] ?? run.standard;
if (!(Number(length) > 0)) {
  process.stderr.write(`--${run.unit} takes a number above 0, not ${length}.\n`);
  process.exit(2);
}

const report = join(root, 'var', `${name}.md`);
rmSync(report, { force: true });
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', '--config', 'vitest.long.config.ts', `test/${name}`], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, [run.variable]: length },
});
if (existsSync(report)) process.stdout.write(`\n${readFileSync(report, 'utf8')}`);
process.exit(status ?? 1);
