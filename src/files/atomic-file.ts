import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Puts `text` in place of the file, whole or not at all: written beside it, flushed to the disk, renamed over it. It
 * keeps the mode that it had, and a new file is for its owner alone. Throws the file system's error and leaves nothing
 * behind.
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
    writeFlushed(temporary, text, file);
    const result = place(temporary);
    flushDirectory(directory);
    return result;
  } finally {
    rmSync(temporary, { force: true });
  }
}

function writeFlushed(temporary: string, text: string, replaced: string): void {
  const descriptor = openSync(temporary, 'wx', 0o600);
  try {
    writeFileSync(descriptor, text);
    const old = statSync(replaced, { throwIfNoEntry: false });
    // Edited by root, the file still has to be the server's to read.
    if (old && process.getuid?.() === 0) fchownSync(descriptor, old.uid, old.gid);
    if (old) fchmodSync(descriptor, old.mode & 0o777);
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
