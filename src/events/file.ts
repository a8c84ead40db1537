import { closeSync, existsSync, fdatasync, fstatSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, LoadError } from '../core/index.js';

/** The open descriptor that lines go to. */
export interface LogFile {
  readonly fd: number;
  /** Whether what is written can be forced to a disk. */
  readonly syncs: boolean;
  /** Told after each write; at the end of a line the file may become another one. Never throws. */
  grow(bytes: number, lineEnds: boolean): void;
  close(): void;
}

export interface RotationOptions {
  readonly max_file_bytes: number;
  readonly max_files: number;
  /** Told the system's error code when a full file could not be put aside: the log then goes on in it. */
  readonly onProblem: (code: string) => void;
}

/** Standard output, which is neither rotated nor closed. */
export function openStandardOutput(): LogFile {
  return { fd: 1, syncs: false, grow: () => undefined, close: () => undefined };
}

/**
 * Opens a log for appending, readable by its owner alone, and rotates it by size: `path` becomes `path.1`, `path.1`
 * becomes `path.2`; beyond `max_files` the oldest is deleted.
 *
 * @throws LoadError when it can't be opened
 */
export function openLogFile(path: string, options: RotationOptions): LogFile {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    return new RotatingFile(path, options);
  } catch (error) {
    throw LoadError.of({
      rule: 'security-log-unwritable',
      file: path,
      pointer: '',
      message: `The security log cannot be opened (${codeOf(error) ?? 'EIO'}).`,
      mend: 'Name a file in a directory that this user may write, or leave security_log.file out for standard output.',
    });
  }
}

class RotatingFile implements LogFile {
  fd: number;
  readonly syncs: boolean;
  #bytes: number;

  constructor(
    readonly path: string,
    readonly options: RotationOptions,
  ) {
    this.fd = open(path);
    const stats = fstatSync(this.fd);
    this.#bytes = stats.size;
    this.syncs = stats.isFile();
  }

  grow(bytes: number, lineEnds: boolean): void {
    this.#bytes += bytes;
    if (lineEnds && this.#bytes >= this.options.max_file_bytes) this.#rotate();
  }

  close(): void {
    closeSync(this.fd);
  }

  #rotate(): void {
    try {
      // Absent when an earlier try got as far as moving it.
      if (existsSync(this.path)) this.#shift();
      const full = this.fd;
      this.fd = open(this.path);
      this.#bytes = 0;
      fdatasync(full, () => closeSync(full));
    } catch (error) {
      this.options.onProblem(codeOf(error) ?? 'EIO');
    }
  }

  #shift(): void {
    const { max_files } = this.options;
    rmSync(`${this.path}.${max_files}`, { force: true });
    for (let age = max_files - 1; age > 0; age--) {
      if (existsSync(`${this.path}.${age}`)) renameSync(`${this.path}.${age}`, `${this.path}.${age + 1}`);
    }
    renameSync(this.path, `${this.path}.1`);
  }
}

function open(path: string): number {
  return openSync(path, 'a', 0o600);
}
