import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { type CallScope, GatehouseError, type StreamItem } from '../core/index.js';
import { BytesFormat, EventStreamFormat, JsonLinesFormat, type StreamFormat } from './stream-format.js';

/** What a streamed answer needs beside its items. */
export interface StreamAnswer {
  /** Headers that every answer of this server carries; Content-Type and Cache-Control are set here. */
  readonly headers: OutgoingHttpHeaders;
  /** An error as the JSON text of its problem document, on one line. */
  describeProblem(error: GatehouseError): string;
  /** Milliseconds between heartbeats; 15,000 unless told. */
  readonly heartbeat_ms?: number;
  /** Milliseconds that a reader may leave the connection full before it is cut; 30,000 unless told. */
  readonly stall_ms?: number;
}

/** How a stream ended; for the call's one event. */
export interface StreamOutcome {
  readonly items: number;
  /** Of the items alone. */
  readonly bytes: number;
  /** What ended it before its end; undefined when all of it was written. */
  readonly error: GatehouseError | undefined;
}

const defaultHeartbeat_ms = 15_000;
const defaultStall_ms = 30_000;
/** A failure within this time of the start still gets its own status; after it the head is sent. */
const headDelay_ms = 1000;

/**
 * Streams a call's items as server-sent events. Rejects with GatehouseError only before the head is sent, so that the
 * route can answer with that error's status; later failures become an `error` event (`closing` while draining). The
 * iteration is over, and with it the upstream, when this settles; a client that goes away cancels `scope`.
 */
export function writeSse(
  response: ServerResponse,
  items: AsyncIterable<StreamItem>,
  scope: CallScope,
  answer: StreamAnswer,
): Promise<StreamOutcome> {
  return new OutwardStream(response, scope, answer, new EventStreamFormat()).run(items);
}

/** As `writeSse`, in NDJSON. A failure is a last line `{"error": problem}` and a connection cut before its end. */
export function writeNdjson(
  response: ServerResponse,
  items: AsyncIterable<StreamItem>,
  scope: CallScope,
  answer: StreamAnswer,
): Promise<StreamOutcome> {
  return new OutwardStream(response, scope, answer, new JsonLinesFormat()).run(items);
}

/** As `writeSse`, in the upstream's own bytes (`application/octet-stream`). A failure cuts the connection. */
export function writeBytes(
  response: ServerResponse,
  items: AsyncIterable<StreamItem>,
  scope: CallScope,
  answer: StreamAnswer,
): Promise<StreamOutcome> {
  return new OutwardStream(response, scope, answer, new BytesFormat()).run(items);
}

class OutwardStream {
  readonly #response: ServerResponse;
  readonly #scope: CallScope;
  readonly #answer: StreamAnswer;
  readonly #format: StreamFormat;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #stall_ms: number;
  #items = 0;
  #bytes = 0;
  #wake: (() => void) | undefined;

  constructor(response: ServerResponse, scope: CallScope, answer: StreamAnswer, format: StreamFormat) {
    this.#response = response;
    this.#scope = scope;
    this.#answer = answer;
    this.#format = format;
    this.#stall_ms = answer.stall_ms ?? defaultStall_ms;
  }

  async run(items: AsyncIterable<StreamItem>): Promise<StreamOutcome> {
    const response = this.#response;
    const forget = this.#scope.onCancel(() => this.#wake?.());
    response.on('close', this.#onClose).on('drain', this.#onDrain);
    this.#timers.push(setTimeout(() => this.#sendHead(), headDelay_ms));
    try {
      return await this.#pump(items);
    } finally {
      for (const timer of this.#timers) clearTimeout(timer);
      response.off('close', this.#onClose).off('drain', this.#onDrain);
      forget();
    }
  }

  async #pump(items: AsyncIterable<StreamItem>): Promise<StreamOutcome> {
    try {
      const flush = this.#startFlushing();
      for await (const item of items) {
        const bytes = this.#format.writeItem(item);
        this.#sendHead();
        await this.#write(bytes);
        this.#items += 1;
        this.#bytes += bytes.length;
        flush?.refresh();
      }
      this.#sendHead();
      this.#end('');
      return { items: this.#items, bytes: this.#bytes, error: undefined };
    } catch (cause) {
      const error = cause instanceof GatehouseError ? cause : new GatehouseError('internal', { cause });
      if (!this.#response.headersSent && !this.#response.destroyed) throw error;
      this.#fail(error);
      return { items: this.#items, bytes: this.#bytes, error };
    }
  }

  readonly #onClose = (): void => {
    this.#scope.cancel('client_aborted');
    this.#wake?.();
  };

  readonly #onDrain = (): void => this.#wake?.();

  #sendHead(): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#response.writeHead(200, {
      ...this.#answer.headers,
      'content-type': this.#format.content_type,
      'cache-control': 'no-store, no-transform',
      // Proxies that hold answers back would hold a stream back for good.
      'x-accel-buffering': 'no',
    });
    this.#response.flushHeaders();
    this.#startHeartbeat();
  }

  #startHeartbeat(): void {
    const { heartbeat } = this.#format;
    if (heartbeat === undefined) return;
    const beat = () => {
      if (!this.#response.writableNeedDrain && !this.#response.writableEnded) this.#response.write(heartbeat);
    };
    this.#timers.push(setInterval(beat, this.#answer.heartbeat_ms ?? defaultHeartbeat_ms));
  }

  #startFlushing(): NodeJS.Timeout | undefined {
    if (this.#format.flush_after_ms === undefined) return undefined;
    const timer = setTimeout(() => {
      const owed = this.#format.flush();
      if (owed !== undefined && !this.#response.writableEnded && !this.#response.destroyed) this.#response.write(owed);
    }, this.#format.flush_after_ms);
    this.#timers.push(timer);
    return timer;
  }

  async #write(data: string | Buffer): Promise<void> {
    if (this.#response.destroyed) throw new GatehouseError('client_aborted');
    if (this.#response.write(data)) return;
    await this.#drained();
  }

  /** Waits until the reader has taken what was written; cuts one that takes nothing for too long. */
  async #drained(): Promise<void> {
    const stalled = setTimeout(() => this.#response.destroy(), this.#stall_ms);
    try {
      while (this.#response.writableNeedDrain && !this.#response.destroyed && this.#scope.cancelled === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(stalled);
      this.#wake = undefined;
    }
  }

  #fail(error: GatehouseError): void {
    const response = this.#response;
    if (response.destroyed) return;
    const kind = error.code === 'draining' ? 'closing' : 'error';
    const words = this.#format.writeFailure(kind, this.#answer.describeProblem(error));
    if (this.#format.failure_is_marked) {
      this.#end(words);
      return;
    }
    this.#cutWhenStalled();
    response.write(words, () => response.destroy());
  }

  #end(words: string): void {
    this.#cutWhenStalled();
    this.#response.end(words);
  }

  // A reader that has stopped reading would hold the connection after the stream is over.
  #cutWhenStalled(): void {
    const cut = setTimeout(() => this.#response.destroy(), this.#stall_ms);
    this.#response.once('close', () => clearTimeout(cut));
  }
}
