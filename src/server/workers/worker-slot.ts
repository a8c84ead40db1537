import cluster, { type Worker } from 'node:cluster';
import { isMessage, type PrimaryMessage, type WorkerMessage } from './message.js';

/** How long a worker has to have run for its next failure to count as the first. */
const settled_ms = 30_000;
const firstWait_ms = 100;
const longestWait_ms = 10_000;

export interface SlotEvents {
  readonly onMessage: (slot: WorkerSlot, message: WorkerMessage) => void;
  /** Told when the worker has ended, with the signal's name or the exit code. */
  readonly onEnd: (slot: WorkerSlot, cause: string) => void;
}

/** The place of one worker: whoever ends there without being told to is followed by another, later each time. */
export class WorkerSlot {
  readonly #events: SlotEvents;
  #worker: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #started_ms = 0;
  isReady = false;

  constructor(
    readonly number: number,
    events: SlotEvents,
  ) {
    this.#events = events;
  }

  get pid(): number | undefined {
    return this.#worker?.process.pid;
  }

  start(): void {
    this.#started_ms = performance.now();
    const worker = cluster.fork();
    this.#worker = worker;
    worker.on('message', (message: unknown) => {
      if (isMessage<WorkerMessage>(message)) this.#events.onMessage(this, message);
    });
    worker.once('exit', (code, signal) => {
      this.isReady = false;
      this.#worker = undefined;
      this.#events.onEnd(this, signal ?? `exit_${code}`);
    });
    // Of a message that came too late; its end is told by 'exit'.
    worker.on('error', () => undefined);
  }

  /** Starts another after a wait, and gives the wait in milliseconds. */
  restart(): number {
    if (performance.now() - this.#started_ms > settled_ms) this.#failures = 0;
    const wait_ms = Math.min(firstWait_ms * 2 ** this.#failures, longestWait_ms);
    this.#failures++;
    this.#timer = setTimeout(() => this.start(), wait_ms);
    return wait_ms;
  }

  send(message: PrimaryMessage): void {
    if (this.#worker?.isConnected()) this.#worker.send(message);
  }

  /** Starts no more here. */
  giveUp(): void {
    clearTimeout(this.#timer);
  }

  kill(): void {
    this.#worker?.process.kill('SIGKILL');
  }
}
