import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf, LoadError } from '../core/index.js';
import type { Io } from './command.js';

/** Refuses a file that is there already; asked ahead of long work. Throws LoadError. */
export function refuseExisting(file: string, io: Io): void {
  if (!existsSync(resolve(io.cwd, file))) return;
  throw LoadError.of({
    rule: 'file-exists',
    file,
    pointer: '',
    message: 'The file is there already.',
    mend: 'Name another file, or write over it with --force.',
  });
}

/** Writes a file, with its folder. Without `force` a file that is there is left alone. Throws LoadError. */
export function writeOutput(file: string, text: string, force: boolean, io: Io): void {
  const path = resolve(io.cwd, file);
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const code = codeOf(error) ?? 'unknown';
    if (code === 'EEXIST') refuseExisting(file, io);
    throw LoadError.of({
      rule: 'file-unwritable',
      file,
      pointer: '',
      message: `The file cannot be written (${code}).`,
      mend: 'Name a file in a folder that this user may write to.',
    });
  }
}
