import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeFolder } from './scratch.js';

const root = join(import.meta.dirname, '../..');

/** Runs, as `npm test` would, tests that need a program which is not there. */
function runWithout(environment: Readonly<Record<string, string>>) {
  const folder = makeFolder();
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'test'));
  writeFileSync(
    join(folder, 'test/needy.test.ts'),
    `import { it } from 'vitest';
     import { describeWithProgram } from '${join(import.meta.dirname, 'requirement.ts')}';
     describeWithProgram('no-such-program', 'the sandbox', () => it('holds', () => undefined));`,
  );
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder, '--reporter', 'verbose'],
    { encoding: 'utf8', env: { PATH: '', NO_COLOR: '1', ...environment } },
  );
  return { status, stdout };
}

it('a program that is missing is named by what is skipped for it', () => {
  const { status, stdout } = runWithout({});
  expect(stdout).toContain('the sandbox (skipped: no-such-program is not installed) > holds');
  expect(status).toBe(0);
});

it('a program that is missing fails the tests under CI=true', () => {
  const { status, stdout } = runWithout({ CI: 'true' });
  expect(stdout).toContain('no-such-program is not installed, and under CI=true nothing is skipped.');
  expect(status).toBe(1);
});
