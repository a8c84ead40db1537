import { type BigIntStats, readFileSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { LoadError } from '../core/index.js';
import { type KeysFile, parseKeysFile } from './keys-file.js';

export interface KeysWatchOptions {
  readonly file: string;
  /** The file's content after every change. */
  readonly on_change: (content: KeysFile) => void;
  /** The file can't be read or used; what it said last stays in force. Told once for each state of the file. */
  readonly on_problem: (problem: LoadError) => void;
  /** Milliseconds between two looks; 250 when absent, so that a revocation is in force well within a second. */
  readonly interval_ms?: number;
}

/**
 * Watches the keys file by asking for its state: unlike file system events that also works for mounted volumes, for
 * files that are replaced by a rename and for links that are turned, as container platforms do. A change comes into
 * force whole or not at all.
 */
export class KeysWatch {
  /** What the file said when it was opened. */
  readonly content: KeysFile;
  readonly #options: KeysWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #stamp: string;
  #unread = false;
  #looking = false;

  /** Reads the file; throws LoadError when it is missing, unreadable or unusable. */
  constructor(options: KeysWatchOptions) {
    this.#options = options;
    // Taken ahead of reading: a change in between shows as a new stamp.
    this.#stamp = describeState(statSync(options.file, { bigint: true, throwIfNoEntry: false }));
    this.content = parseKeysFile(readKeysFile(options.file), options.file);
  }

  /** Begins to look. What changed since the file was opened is seen by the first look. */
  start(): void {
    this.#timer ??= setInterval(() => void this.#look(), this.#options.interval_ms ?? 250).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    const { file } = this.#options;
    const stamp = describeState(await stat(file, { bigint: true }).catch(() => undefined));
    // A file that could not be read is tried again, also when it looks the same.
    if (stamp !== this.#stamp || this.#unread) {
      const isNews = stamp !== this.#stamp;
      this.#stamp = stamp;
      this.#take(await readFile(file, 'utf8').catch(() => undefined), isNews);
    }
    this.#looking = false;
  }

  #take(text: string | undefined, isNews: boolean): void {
    const { file, on_change, on_problem } = this.#options;
    this.#unread = text === undefined;
    if (text === undefined) {
      if (isNews) on_problem(unreadable(file));
      return;
    }
    try {
      on_change(parseKeysFile(text, file));
    } catch (error) {
      if (!(error instanceof LoadError)) throw error;
      on_problem(error);
    }
  }
}

/** The text of the keys file. Throws LoadError when it is missing or unreadable. */
export function readKeysFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw unreadable(file);
  }
}

// One text for "not there" and another for each state of the file; a rename changes the inode.
function describeState(state: BigIntStats | undefined): string {
  return state ? `${state.mtimeNs} ${state.ctimeNs} ${state.size} ${state.ino}` : 'missing';
}

function unreadable(file: string): LoadError {
  return LoadError.of({
    rule: 'keys-file-unreadable',
    file,
    pointer: '',
    message: 'The keys file is missing or cannot be read.',
    mend: 'Make it with `gatehouse keys create`, correct auth.keys_file, or make it readable for this user.',
  });
}
