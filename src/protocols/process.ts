import { type CallScope, GatehouseError } from '../core/index.js';
import { describeCancel } from './cancellation.js';
import type { Sandbox, SandboxedProcess } from './sandbox.js';

/** One run of a program to its end. */
export interface ProcessJob {
  readonly sandbox: Sandbox;
  readonly args: readonly string[];
  /** Whole milliseconds, waiting for a place included. */
  readonly timeout_ms: number;
  /** Whole bytes of standard output; one more ends the program. */
  readonly max_output_bytes: number;
}

/** What a program left when it ended by itself. */
export interface ProcessOutcome {
  readonly stdout: Buffer;
  readonly code: number;
}

const defaultParallel = 64;
const longestQueue = 1024;
// SIGKILL ends all but a process in an uninterruptible system call; the call does not wait for one of those.
const killGraceMs = 2000;
// A program on the host may leave a daemon that holds its output open; inside a sandbox none outlives it.
const outputGraceMs = 250;

/**
 * Runs programs to their end, a bounded number at a time, the others in a bounded queue. Whatever ends a run (its own
 * end, the timeout, a cancelled scope, too much output, `close`), its processes are gone when its promise settles.
 */
export class ProcessRunner {
  readonly #parallel: number;
  readonly #running = new Set<Run>();
  readonly #waiting = new Set<Run>();
  #closed = false;

  constructor(parallel: number = defaultParallel) {
    this.#parallel = parallel;
  }

  /**
   * Rejects with GatehouseError: `upstream_timeout`, `client_aborted`, `draining`, `overloaded` (the queue is full),
   * `upstream_too_large`, `invalid_input` (arguments too long for the host) or `upstream_failed` (reason
   * `process_unstartable` or `process_killed`). The exit code is the caller's to judge.
   */
  run(job: ProcessJob, scope: CallScope): Promise<ProcessOutcome> {
    if (scope.cancelled) return Promise.reject(describeCancel(scope.cancelled));
    if (this.#closed) return Promise.reject(new GatehouseError('draining'));
    if (this.#waiting.size >= longestQueue) {
      return Promise.reject(new GatehouseError('overloaded', { retry_after: 1 }));
    }
    return new Promise((resolve, reject) => {
      const run = new Run(job, resolve, reject, () => this.#release(run));
      this.#waiting.add(run);
      run.watch(scope);
      this.#admit();
    });
  }

  /** Ends every program; their runs reject with `upstream_failed`. Resolves when all are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    const runs = [...this.#waiting, ...this.#running];
    for (const run of runs) run.abort(new GatehouseError('upstream_failed', { reason: 'closing' }));
    await Promise.all(runs.map((run) => run.settled));
  }

  #admit(): void {
    for (const run of this.#waiting) {
      if (this.#running.size >= this.#parallel) return;
      this.#waiting.delete(run);
      this.#running.add(run);
      run.start();
    }
  }

  #release(run: Run): void {
    this.#waiting.delete(run);
    if (this.#running.delete(run)) this.#admit();
  }
}

class Run {
  readonly settled: Promise<void>;
  #markSettled: () => void = () => undefined;
  #process: SandboxedProcess | undefined;
  #failure: GatehouseError | undefined;
  #output: Buffer[] = [];
  #outputBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #stopListening: () => void = () => undefined;

  constructor(
    readonly job: ProcessJob,
    readonly resolve: (outcome: ProcessOutcome) => void,
    readonly reject: (error: unknown) => void,
    readonly release: () => void,
  ) {
    this.settled = new Promise((done) => {
      this.#markSettled = done;
    });
  }

  watch(scope: CallScope): void {
    this.#timer = setTimeout(() => this.abort(new GatehouseError('upstream_timeout')), this.job.timeout_ms);
    this.#stopListening = scope.onCancel((reason) => this.abort(describeCancel(reason)));
  }

  start(): void {
    try {
      this.#process = this.job.sandbox.spawn(this.job.args, { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' });
    } catch (cause) {
      this.#settle(spawnError(cause));
      return;
    }
    const output = this.#collect(this.#process);
    this.#process.exit.then(async (exit) => {
      await output;
      if (this.#failure) this.#settle(this.#failure);
      else if (!exit.started) this.#settle(new GatehouseError('upstream_failed', { reason: 'process_unstartable' }));
      else if (exit.code === undefined)
        this.#settle(new GatehouseError('upstream_failed', { reason: 'process_killed' }));
      else this.#settle({ stdout: Buffer.concat(this.#output, this.#outputBytes), code: exit.code });
    });
  }

  /** Ends the run; the first reason is the one that is told. */
  abort(error: GatehouseError): void {
    if (this.#failure) return;
    this.#failure = error;
    if (!this.#process) {
      this.#settle(error);
      return;
    }
    this.#process.kill();
    this.#graceTimer = setTimeout(() => this.reject(error), killGraceMs);
  }

  #collect(running: SandboxedProcess): Promise<void> {
    const stdout = running.stdout;
    if (!stdout) return Promise.resolve();
    stdout.on('data', (part: Buffer) => {
      this.#outputBytes += part.length;
      if (this.#outputBytes > this.job.max_output_bytes) this.abort(new GatehouseError('upstream_too_large'));
      else this.#output.push(part);
    });
    running.exit.then(() => {
      if (stdout.closed) return;
      const grace = setTimeout(() => stdout.destroy(), outputGraceMs);
      stdout.once('close', () => clearTimeout(grace));
    });
    return new Promise((resolve) => {
      stdout.once('error', () => resolve());
      stdout.once('close', () => resolve());
    });
  }

  #settle(result: ProcessOutcome | GatehouseError): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#graceTimer);
    this.#stopListening();
    if (result instanceof GatehouseError) this.reject(result);
    else this.resolve(result);
    this.#markSettled();
    this.release();
  }
}

function spawnError(cause: unknown): GatehouseError {
  if (cause instanceof Error && 'code' in cause && cause.code === 'E2BIG') {
    return new GatehouseError('invalid_input', { detail: 'The arguments are too long for a program.', cause });
  }
  return new GatehouseError('upstream_failed', { reason: 'process_unstartable', cause });
}
