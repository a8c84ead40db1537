import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const root = join(import.meta.dirname, '../..');

/**
 * Compiles src/ into a folder of its own, for tests that must end a process of their own (kill -9, exit, a closed pipe).
 * Gives the folder, which is gone after the test file.
 */
export function buildSources(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-build-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const compiler = join(root, 'node_modules/.bin/tsc');
  const options = ['-p', join(root, 'tsconfig.build.json'), '--outDir', folder, '--noCheck'];
  const { status, stdout } = spawnSync(compiler, options, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`The sources do not compile: ${stdout}`);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}
