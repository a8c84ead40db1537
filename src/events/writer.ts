import { fdatasync, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';
import { codeOf } from '../core/index.js';
import type { LogFile } from './file.js';

export interface LineWriterOptions {
  readonly file: LogFile;
  readonly flush_interval_ms: number;
  readonly sync_interval_ms: number;
  readonly max_buffered_bytes: number;
  /** Told when the destination begins to fail, with the system's error code, and when it takes lines again. */
  readonly onFailure: (code: string) => void;
  readonly onRecovery: () => void;
}

/** Bytes that are worth a write of their own before the interval is over, and room for what comes meanwhile. */
const eagerFlushBytes = 65_536;
const bufferBytes = 131_072;
const retryInterval_ms = 250;
const exitPatience_ms = 2000;
const nap_ms = 20;

/**
 * Writes whole lines of ASCII in order, many in one write. What a failing destination doesn't take stays in memory and is
 * tried again, up to `max_buffered_bytes`; beyond that `hasRoom` is false. What is left at the end of the process is
 * written then.
 *
 * Writes are synchronous: into the page cache one costs less than handing it to a thread, and no line can be in flight,
 * so neither lost nor doubled, when the process ends. A destination for pino in place of pino's own, whose flush at exit
 * repeats for ever on a full disk or a closed pipe (sonic-boom 4.2.0, `flushSync` retries every error).
 */
export class LineWriter implements DestinationStream {
  readonly #options: LineWriterOptions;
  /**
   * Lines as bytes, as they come: strings kept until the next write would outlive the garbage collector's young, and cost
   * it more than all the rest of an event.
   */
  #buffer = Buffer.allocUnsafe(bufferBytes);
  #used = 0;
  /** Full buffers, and what a failed or partial write left over; they go out before `#buffer`. */
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #failing = false;
  #closed = false;
  #flushTimer: NodeJS.Timeout | undefined;
  #syncTimer: NodeJS.Timeout | undefined;
  readonly #flushLater = () => {
    this.#flushTimer = undefined;
    this.#drain();
  };
  readonly #atExit = () => this.#drainPatiently();

  constructor(options: LineWriterOptions) {
    this.#options = options;
    process.on('exit', this.#atExit);
  }

  get failing(): boolean {
    return this.#failing;
  }

  /** Whether one more line may come. */
  get hasRoom(): boolean {
    return !this.#closed && this.#waitingBytes + this.#used < this.#options.max_buffered_bytes;
  }

  /** Takes one line with its line feed. Ask `hasRoom` first: it is the caller who counts what is turned away. */
  write(line: string): void {
    if (this.#used + line.length > this.#buffer.length) this.#setAside(0, line.length);
    this.#used += this.#buffer.write(line, this.#used, 'latin1');
    if (this.#used >= eagerFlushBytes && !this.#failing) this.#drain();
    else this.#schedule(this.#options.flush_interval_ms);
  }

  /** Resolves when what was taken is written and on disk, or has been tried and stays in memory. */
  async flush(): Promise<void> {
    this.#drain();
    await this.#sync();
  }

  /** Writes what is left, or gives it up when the destination fails, and closes the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#drainPatiently();
    this.#closed = true;
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#syncTimer);
    process.off('exit', this.#atExit);
    await this.#sync();
    this.#options.file.close();
  }

  #schedule(wait_ms: number): void {
    this.#flushTimer ??= setTimeout(this.#flushLater, wait_ms).unref();
  }

  /** Writes until nothing is left or the destination takes no more. */
  #drain(): 'done' | 'busy' | 'failed' {
    const { file } = this.#options;
    while (this.#waitingBytes + this.#used > 0) {
      const [oldest = this.#buffer.subarray(0, this.#used)] = this.#waiting;
      try {
        const written = writeSync(file.fd, oldest);
        this.#letGo(written);
        file.grow(written, written === oldest.length);
      } catch (error) {
        return this.#keep(codeOf(error) ?? 'EIO');
      }
      if (this.#failing) this.#recover();
    }
    if (file.syncs) this.#syncTimer ??= setTimeout(() => void this.#sync(), this.#options.sync_interval_ms).unref();
    return 'done';
  }

  /** Takes a new buffer; what the old one holds from `written` on waits. */
  #setAside(written: number, room: number): void {
    if (written < this.#used) this.#waiting.push(this.#buffer.subarray(written, this.#used));
    this.#waitingBytes += this.#used - written;
    this.#buffer = Buffer.allocUnsafe(Math.max(bufferBytes, room));
    this.#used = 0;
  }

  /** Forgets the first `written` bytes of what is oldest. */
  #letGo(written: number): void {
    const oldest = this.#waiting.shift();
    if (!oldest) {
      if (written < this.#used) this.#setAside(written, 0);
      this.#used = 0;
      return;
    }
    this.#waitingBytes -= written;
    if (written < oldest.length) this.#waiting.unshift(oldest.subarray(written));
  }

  /** A full pipe (EAGAIN) is a slow reader and no failure: its lines wait. */
  #keep(code: string): 'busy' | 'failed' {
    this.#schedule(code === 'EAGAIN' ? nap_ms : retryInterval_ms);
    if (code === 'EAGAIN') return 'busy';
    if (!this.#failing) {
      this.#failing = true;
      this.#options.onFailure(code);
    }
    return 'failed';
  }

  #recover(): void {
    this.#failing = false;
    this.#options.onRecovery();
  }

  #drainPatiently(): void {
    const deadline = performance.now() + exitPatience_ms;
    while (this.#drain() === 'busy' && performance.now() < deadline) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, nap_ms);
    }
  }

  #sync(): Promise<void> {
    clearTimeout(this.#syncTimer);
    this.#syncTimer = undefined;
    const { file } = this.#options;
    if (!file.syncs) return Promise.resolve();
    return new Promise((resolve) => {
      fdatasync(file.fd, (error) => {
        if (error && !this.#closed) this.#keep(codeOf(error) ?? 'EIO');
        resolve();
      });
    });
  }
}
