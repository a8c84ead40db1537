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
  const kill = () => {
    if (child.pid !== undefined) killQuietly(-child.pid);
  };
  const exit = reap(child).then((code) => {
    // What the program left running belongs to no call any more.
    kill();
    return code === 'unspawned' ? notStarted : { started: true, code };
  });
  return wrapChild(child, exit, kill);
}

/**
 * Wraps a bubblewrap child whose descriptors 3 and 4 are its options and its status. bubblewrap tells there the first
 * process of the sandbox, and its exit code when it has started the program, and then only: it fails with 1, as programs do.
 */
export function watchBubblewrap(child: ChildProcess, options: Buffer): SandboxedProcess {
  // Node leaves a child without streams when the host has no descriptor left (EMFILE), whatever its types say.
  const [, , , optionStream, statusStream] = child.stdio ?? [];
  if (optionStream && 'end' in optionStream) {
    // bubblewrap that could not start has closed its end; `exit` tells.
    optionStream.on('error', () => undefined);
    optionStream.end(options);
  }
  const inner = new FirstProcess();
  const read = (text: string) => inner.learn(text);
  const status = statusStream && 'setEncoding' in statusStream ? readAll(statusStream, read) : Promise.resolve('');
  const exit = Promise.all([reap(child), status]).then(([code, text]) => {
    const started = typeof code === 'number' && text.includes('"exit-code"');
    return started ? { started, code } : notStarted;
  });
  return wrapChild(child, exit, () => inner.kill());
}

/**
 * The first process of a sandbox, whose end is the end of all others in it. It is what must be killed: bubblewrap itself
 * dying while it still builds the sandbox would leave the first process without a parent to die with.
 */
class FirstProcess {
  #pid: number | undefined;
  #doomed = false;

  learn(status: string): void {
    if (this.#pid !== undefined) return;
    const told = /"child-pid": (\d+)/.exec(status)?.[1];
    if (told === undefined) return;
    this.#pid = Number(told);
    if (this.#doomed) this.kill();
  }

  kill(): void {
    this.#doomed = true;
    if (this.#pid !== undefined) killQuietly(this.#pid);
  }
}

function wrapChild(child: ChildProcess, exit: Promise<ProcessExit>, kill: () => void): SandboxedProcess {
  if (child.pid !== undefined) preferForMemoryKill(child.pid);
  // A program may close its input before all is written; how it ended is told by `exit`.
  child.stdin?.on('error', () => undefined);
  return {
    stdin: child.stdin ?? undefined,
    stdout: child.stdout ?? undefined,
    stderr: child.stderr ?? undefined,
    exit,
    kill: () => {
      if (child.exitCode === null && child.signalCode === null) kill();
    },
  };
}

function reap(child: ChildProcess): Promise<number | undefined | 'unspawned'> {
  return new Promise((resolve) => {
    child.once('error', () => resolve('unspawned'));
    child.once('exit', (code) => resolve(code ?? undefined));
  });
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it, or the last of its group, has ended.
  }
}

function readAll(stream: Readable, onText: (soFar: string) => void): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (part: string) => {
      text += part;
      onText(text);
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
