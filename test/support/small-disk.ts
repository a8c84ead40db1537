import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A disk of a few megabytes that can be filled: a file system in memory, in a mount namespace of its own, which a process
 * holds open and which is gone with it. Needs root or unprivileged user namespaces.
 */
export class SmallDisk {
  readonly #holder: ChildProcess;
  readonly #folder: string;
  readonly #hasUserNamespace: boolean;

  constructor(holder: ChildProcess, folder: string, hasUserNamespace: boolean) {
    this.#holder = holder;
    this.#folder = folder;
    this.#hasUserNamespace = hasUserNamespace;
  }

  /** Where the disk is for a process within (`wrap`). */
  get inside(): string {
    return this.#folder;
  }

  /** The same place as it is reached from here. */
  get outside(): string {
    return join('/proc', String(this.#holder.pid), 'root', this.#folder);
  }

  /** The command line that runs a command where the disk is; the process keeps the id that it is started with. */
  wrap(command: readonly string[]): readonly string[] {
    const user = this.#hasUserNamespace ? ['--user', '--preserve-credentials'] : [];
    return ['nsenter', '--target', String(this.#holder.pid), ...user, '--mount', '--', ...command];
  }

  /** Takes all the room that is left. */
  fill(): void {
    const file = openSync(join(this.outside, 'filler'), 'a');
    try {
      for (let size = 65_536; size >= 1; ) {
        try {
          if (writeSync(file, Buffer.alloc(size)) < size) size = Math.floor(size / 2);
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
          size = Math.floor(size / 2);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives the room back. */
  free(): void {
    rmSync(join(this.outside, 'filler'), { force: true });
  }

  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    this.#holder.kill('SIGKILL');
    await once(this.#holder, 'exit');
  }
}

/** Makes one at a folder, which is made too; fails with the system's words where that is not allowed. */
export async function openSmallDisk(folder: string, mebibytes: number): Promise<SmallDisk> {
  mkdirSync(folder, { recursive: true });
  const problems: string[] = [];
  // Root may mount where it has the capability; else a user namespace gives it, to anybody.
  for (const hasUserNamespace of process.getuid?.() === 0 ? [false, true] : [true]) {
    const holder = await mountDisk(folder, mebibytes, hasUserNamespace, problems);
    if (holder) return new SmallDisk(holder, folder, hasUserNamespace);
  }
  throw new Error(`No small disk can be mounted here: ${problems.join('').trim()}`);
}

async function mountDisk(
  folder: string,
  mebibytes: number,
  hasUserNamespace: boolean,
  problems: string[],
): Promise<ChildProcess | undefined> {
  const script = 'mount -t tmpfs -o "size=$1m,mode=700" tmpfs "$2" && echo ready && exec sleep infinity';
  const unshare = [...(hasUserNamespace ? ['--map-root-user'] : []), '--mount'];
  const holder = spawn('unshare', [...unshare, 'sh', '-c', script, 'sh', String(mebibytes), folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  holder.stderr.setEncoding('utf8').on('data', (text) => problems.push(text));
  const ready = once(holder.stdout, 'data').then(() => true);
  const ended = once(holder, 'exit').then(() => false);
  return (await Promise.race([ready, ended])) ? holder : undefined;
}
