import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** What the compiler says of test/library/consumer, a program that imports the package as built: `file:line TScode`. */
async function compileConsumer(): Promise<readonly string[]> {
  const compiler = join(root, 'node_modules/.bin/tsc');
  const options = ['-p', join(import.meta.dirname, 'consumer'), '--pretty', 'false'];
  const { stdout } = await promisify(execFile)(compiler, options, { cwd: root }).catch((failure) => failure);
  return [...stdout.matchAll(/([^/\n]+)\((\d+),\d+\): error (TS\d+)/g)].map(
    ([, file, line, code]) => `${file}:${line} ${code}`,
  );
}

describe('the types of the built package', () => {
  it('take what a program may write, and refuse each mistake on its own line', async () => {
    const lines = readFileSync(join(import.meta.dirname, 'consumer/wrong.ts'), 'utf8').split('\n');
    const expected = lines.flatMap((line, index) => {
      const [, code] = /\/\/ (TS\d+)$/.exec(line) ?? [];
      return code ? [`wrong.ts:${index + 1} ${code}`] : [];
    });
    expect(expected.length).toBeGreaterThan(10);
    expect(await compileConsumer()).toEqual(expected);
  }, 60_000);
});
