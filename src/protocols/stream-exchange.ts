import type { IncomingHttpHeaders } from 'node:http';
import type { Client, Dispatcher } from 'undici';
import { GatehouseError } from '../core/index.js';
import type { Stoppable, Watch } from './http-deadline.js';
import { describeFault } from './http-fault.js';
import type { Borrower, UpstreamConnections } from './upstream-connections.js';

/** Bytes that wait for the consumer before the upstream's socket is paused. */
const highWaterBytes = 65_536;
/** Bytes that are kept of an answer that is no success. */
const refusalLimitBytes = 65_536;

/**
 * One request whose answer is read as it comes: undici's handler on one side, `next` on the other, and the socket
 * paused while the consumer is behind. Silence of the upstream for too long ends it; a slow consumer does not.
 */
export class StreamExchange implements Dispatcher.DispatchHandler, Stoppable, Borrower {
  status = 0;
  headers: IncomingHttpHeaders = {};
  readonly #connections: UpstreamConnections;
  readonly #request: Dispatcher.DispatchOptions;
  #client: Client | undefined;
  readonly #idle: NodeJS.Timeout;
  #opened: ((exchange: StreamExchange) => void) | undefined;
  #refused: ((error: GatehouseError) => void) | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #waiting = true;
  #ended = false;
  /** What this side ended it with: nothing more is handed on. */
  #stopped: GatehouseError | undefined;
  /** What the upstream's side broke off with: what came before is handed on first. */
  #broken: GatehouseError | undefined;
  #wake: (() => void) | undefined;

  private constructor(
    connections: UpstreamConnections,
    request: Dispatcher.DispatchOptions,
    idleMs: number,
    opened: (exchange: StreamExchange) => void,
    refused: (error: GatehouseError) => void,
  ) {
    this.#connections = connections;
    this.#request = request;
    this.#idle = setTimeout(fallSilent, idleMs, this);
    this.#opened = opened;
    this.#refused = refused;
  }

  /**
   * Sends a request and settles when the head of the answer is there. Rejects with GatehouseError when the upstream
   * can't be reached, is silent for `idleMs`, or `deadline` ends. `close` must follow.
   */
  static open(
    connections: UpstreamConnections,
    request: Dispatcher.DispatchOptions,
    deadline: Watch,
    idleMs: number,
  ): Promise<StreamExchange> {
    return new Promise((resolve, reject) => {
      const exchange = new StreamExchange(connections, request, idleMs, resolve, reject);
      connections.lend(exchange);
      deadline.watch(exchange);
    });
  }

  get isOver(): boolean {
    return this.#stopped !== undefined;
  }

  start(client: Client): void {
    this.#client = client;
    client.dispatch(this.#request, this);
  }

  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The next bytes; undefined at the end. Rejects with GatehouseError when the upstream broke off or was stopped. */
  async next(): Promise<Buffer | undefined> {
    while (this.#chunks.length === 0 && !this.#ended && !this.#stopped && !this.#broken) await this.#arrival();
    this.throwIfStopped();
    const chunk = this.#chunks.shift();
    if (!chunk && this.#broken) throw this.#broken;
    this.#bytes -= chunk?.length ?? 0;
    if (this.#bytes < highWaterBytes && this.#controller?.paused) this.#controller.resume();
    return chunk;
  }

  /** Throws what the exchange was stopped with: asked between items that are at hand already. */
  throwIfStopped(): void {
    if (this.#stopped) throw this.#stopped;
  }

  /** The first 64 KiB of what is left. */
  async readRefusal(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    while (bytes < refusalLimitBytes) {
      const chunk = await this.next();
      if (!chunk) break;
      chunks.push(chunk);
      bytes += chunk.length;
    }
    return Buffer.concat(chunks).subarray(0, refusalLimitBytes);
  }

  stop(error: GatehouseError): void {
    if (this.#stopped) return;
    this.#stopped = error;
    this.#settle(error);
    this.#endConnection(error);
  }

  /** Ends the upstream's side, at once when it has not ended by itself. */
  close(): void {
    this.stop(new GatehouseError('upstream_failed', { reason: 'closed' }));
  }

  /** Whether time passes on the upstream's account. */
  get isWaiting(): boolean {
    return this.#waiting;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // 1xx announces an answer and is none (RFC 9110 section 15.2).
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
    this.#waiting = false;
    this.#opened?.(this);
    this.#opened = undefined;
    this.#refused = undefined;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= highWaterBytes) controller.pause();
    this.#wake?.();
  }

  onResponseEnd(): void {
    this.#ended = true;
    const client = this.#giveBack();
    if (client) this.#connections.keep(client);
    this.#settle(undefined);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#stopped) return;
    this.#broken = describeFault(error);
    this.#settle(this.#broken);
    this.#endConnection(this.#broken);
  }

  // Does nothing for a connection that has been given back: it may be another's.
  #endConnection(error: GatehouseError): void {
    const client = this.#giveBack();
    if (client) this.#connections.end(client, error);
  }

  #giveBack(): Client | undefined {
    const client = this.#client;
    this.#client = undefined;
    return client;
  }

  #arrival(): Promise<void> {
    this.#waiting = true;
    this.#idle.refresh();
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        this.#waiting = false;
        resolve();
      };
    });
  }

  #settle(error: GatehouseError | undefined): void {
    clearTimeout(this.#idle);
    if (error) this.#refused?.(error);
    this.#wake?.();
  }
}

function fallSilent(exchange: StreamExchange): void {
  if (!exchange.isWaiting) return;
  exchange.stop(
    new GatehouseError('upstream_timeout', { detail: 'The upstream fell silent.', reason: 'idle_timeout' }),
  );
}
