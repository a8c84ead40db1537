import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Puts `text` in place of the file, whole or not at all: written beside it, flushed to the disk, renamed over it. Only
 * its owner may read it. Throws the file system's error and leaves nothing behind.
 */
export function replaceFile(file: string, text: string): void {
  withTemporary(file, text, (temporary) => renameSync(temporary, file));
}

/** Makes the file with `text`, whole or not at all; false when it was there already, untouched. */
export function createFile(file: string, text: string): boolean {
  return withTemporary(file, text, (temporary) => {
    try {
      // Unlike a rename, a link never replaces.
      linkSync(temporary, file);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    }
  });
}

function withTemporary<Result>(file: string, text: string, place: (temporary: string) => Result): Result {
  const directory = dirname(file);
  const temporary = join(directory, `.${basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    writeFlushed(temporary, text);
    const result = place(temporary);
    flushDirectory(directory);
    return result;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeFlushed(file: string, text: string): void {
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

// Without it a power cut may undo the rename.
function flushDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
