import { accessSync, constants } from 'node:fs';
import { describe, it } from 'vitest';

/**
 * A group of tests that needs a program of the operating system. Where it is missing the group is skipped and its title
 * says why; under `CI=true` it fails, so that no gate is green for want of a package.
 */
export function describeWithProgram(program: string, title: string, body: () => void): void {
  if (findProgram(program)) describe(title, body);
  else if (process.env.CI === 'true') {
    describe(title, () => {
      it(`needs ${program}`, () => {
        throw new Error(`${program} is not installed, and under CI=true nothing is skipped.`);
      });
    });
  } else describe.skip(`${title} (skipped: ${program} is not installed)`, body);
}

/** The absolute path of a program in the system's folders or on PATH. */
export function findProgram(program: string): string | undefined {
  const folders = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', ...(process.env.PATH ?? '').split(':')];
  return folders.map((folder) => `${folder}/${program}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
