import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';

/** How a program ended. */
export interface ProcessExit {
  /** False when the sandbox or the program could not be started: then the code says nothing about the program. */
  readonly started: boolean;
  /** Undefined when a signal ended it. Inside a sandbox a signal n reads as 128 + n. */
  readonly code: number | undefined;
}

/** A program that runs. */
export interface SandboxedProcess {
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Settles once the program is reaped, and never rejects. */
  readonly exit: Promise<ProcessExit>;
  /** Ends the program and all that it started, at once (SIGKILL). Harmless when it has ended. */
  kill(): void;
}

const notStarted: ProcessExit = { started: false, code: undefined };

/** Wraps a child that leads a process group of its own (`detached`) and runs on the host. */
export function watchProcess(child: ChildProcess): SandboxedProcess {
  return wrapChild(
    child,
    reap(child).then((code) => (code === 'unspawned' ? notStarted : { started: true, code })),
  );
}

/**
 * Wraps a bubblewrap child whose descriptors 3 and 4 are its options and its status. bubblewrap fails with exit code 1,
 * as programs do; it reports an exit code on its status alone when it has started the program, and then only.
 */
export function watchBubblewrap(child: ChildProcess, options: Buffer): SandboxedProcess {
  // Node leaves a child without streams when the host has no descriptor left (EMFILE), whatever its types say.
  const [, , , optionStream, statusStream] = child.stdio ?? [];
  if (optionStream && 'end' in optionStream) {
    // bubblewrap that could not start has closed its end; `exit` tells.
    optionStream.on('error', () => undefined);
    optionStream.end(options);
  }
  const status = statusStream && 'setEncoding' in statusStream ? readAll(statusStream) : Promise.resolve('');
  const exit = Promise.all([reap(child), status]).then(([code, text]) =>
    code === 'unspawned' || code === undefined || !text.includes('"exit-code"') ? notStarted : { started: true, code },
  );
  return wrapChild(child, exit);
}

function wrapChild(child: ChildProcess, exit: Promise<ProcessExit>): SandboxedProcess {
  if (child.pid !== undefined) preferForMemoryKill(child.pid);
  // A program may close its input before all is written; how it ended is told by `exit`.
  child.stdin?.on('error', () => undefined);
  return {
    stdin: child.stdin ?? undefined,
    stdout: child.stdout ?? undefined,
    stderr: child.stderr ?? undefined,
    exit,
    kill: () => {
      if (child.exitCode === null && child.signalCode === null) killGroup(child);
    },
  };
}

function reap(child: ChildProcess): Promise<number | undefined | 'unspawned'> {
  return new Promise((resolve) => {
    child.once('error', () => resolve('unspawned'));
    child.once('exit', (code) => {
      // What the program left running belongs to no call any more.
      killGroup(child);
      resolve(code ?? undefined);
    });
  });
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: nobody of the group is left.
  }
}

function readAll(stream: Readable): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => {
      text += part;
    });
    stream.on('error', () => resolve(text));
    stream.once('close', () => resolve(text));
  });
}

/** Makes the kernel end the program rather than the server when memory runs out. */
function preferForMemoryKill(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // Not Linux, or the program has ended already: a preference, not a bound.
  }
}
