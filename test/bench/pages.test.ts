import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const node = (file: string, ...args: string[]) => run(process.execPath, [join(root, 'bench', file), ...args]);
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('the measured pages', () => {
  it('say what bench/results.json and bench/stages.json say, the chart too', async () => {
    await expect(node('publish.js', '--check')).resolves.toMatchObject({ stderr: '' });
  });

  it('name tests that are there', () => {
    const named = [...read('docs/performance.md').matchAll(/`(test\/[^`]+)`/g)].map((match) => match[1] ?? '');
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  it('have every row of the benchmark, measured on pinned cores', async () => {
    const { stdout } = await node('main.js', '--help');
    const ids = /these rows alone, with commas: (.*)/.exec(stdout)?.[1]?.split(', ');
    const results = JSON.parse(read('bench/results.json'));
    expect(results.rows.map(({ id }: { id: string }) => id)).toEqual(ids);
    expect(results.machine.pinned).toBe(true);
    for (const { results: measured } of results.rows) expect(measured.length).toBeGreaterThan(0);
  });
});

describe('the guard', () => {
  it('watches the three kinds of request', () => {
    expect(Object.keys(JSON.parse(read('bench/guard.json')))).toEqual(['manual', 'unchanged', 'call']);
  });
});

describe('npm run bench', () => {
  it('refuses a row that there is not, before it starts anything', async () => {
    await expect(node('main.js', '--only', 'nothing')).rejects.toMatchObject({
      stderr: expect.stringContaining('There is no row nothing; see --help.'),
    });
  });
});
