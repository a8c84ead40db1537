import type { IncomingHttpHeaders } from 'node:http';
import type { Client, Dispatcher } from 'undici';
import { GatehouseError } from '../core/index.js';
import type { Stoppable, Watch } from './http-deadline.js';
import { describeFault } from './http-fault.js';
import type { Borrower, UpstreamConnections } from './upstream-connections.js';

/** Bytes that are read of an answer that is no success: a problem document, and a connection that can be kept. */
const refusalLimitBytes = 65_536;
const noHeaders: IncomingHttpHeaders = {};

/**
 * One request and its whole answer, bounded: undici's handler, so that a call makes no closures. It never rejects: what
 * failed is in `failure`, because a failure is often not the end of a call.
 */
export class Exchange implements Dispatcher.DispatchHandler, Stoppable, Borrower {
  status = 0;
  headers: IncomingHttpHeaders = noHeaders;
  /** Why there is no answer; undefined when there is one, whatever its status. */
  failure: GatehouseError | undefined;
  isOver = false;
  readonly #connections: UpstreamConnections;
  readonly #request: Dispatcher.DispatchOptions;
  readonly #limit: number;
  readonly #done: (exchange: Exchange) => void;
  #client: Client | undefined;
  #first: Buffer | undefined;
  #rest: Buffer[] | undefined;
  #size = 0;

  private constructor(
    connections: UpstreamConnections,
    request: Dispatcher.DispatchOptions,
    limit: number,
    done: (exchange: Exchange) => void,
  ) {
    this.#connections = connections;
    this.#request = request;
    this.#limit = limit;
    this.#done = done;
  }

  /**
   * Sends a request, reads its answer whole, and calls `done`, once. Fails when the upstream can't be reached or breaks
   * off, and with `upstream_too_large` when a 2xx answer has more than `limit` bytes.
   */
  static begin(
    connections: UpstreamConnections,
    request: Dispatcher.DispatchOptions,
    limit: number,
    deadline: Watch,
    done: (exchange: Exchange) => void,
  ): void {
    const exchange = new Exchange(connections, request, limit, done);
    deadline.watch(exchange);
    if (!exchange.isOver) connections.lend(exchange);
  }

  /** As `begin` does, with a promise. */
  static send(
    connections: UpstreamConnections,
    request: Dispatcher.DispatchOptions,
    limit: number,
    deadline: Watch,
  ): Promise<Exchange> {
    return new Promise((resolve) => Exchange.begin(connections, request, limit, deadline, resolve));
  }

  /** The body: whole for a 2xx answer, at most its first 64 KiB otherwise. */
  get body(): Buffer {
    if (this.#first === undefined) return Buffer.alloc(0);
    return this.#rest === undefined ? this.#first : Buffer.concat([this.#first, ...this.#rest], this.#size);
  }

  get isSuccess(): boolean {
    return this.failure === undefined && this.status >= 200 && this.status < 300;
  }

  start(client: Client): void {
    this.#client = client;
    client.dispatch(this.#request, this);
  }

  stop(error: GatehouseError): void {
    if (this.isOver) return;
    this.failure = error;
    this.#finish();
    this.#endConnection(error);
  }

  /** undici knows a handler of today's form by this; it is ended by way of its connection. */
  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
    if (this.isSuccess && Number(headers['content-length']) > this.#limit) this.stop(tooLarge());
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isOver) return;
    if (this.#size + chunk.length > (this.isSuccess ? this.#limit : refusalLimitBytes)) {
      this.#overflow();
      return;
    }
    this.#size += chunk.length;
    if (this.#first === undefined) this.#first = chunk;
    else if (this.#rest === undefined) this.#rest = [chunk];
    else this.#rest.push(chunk);
  }

  onResponseEnd(): void {
    if (this.isOver) return;
    if (this.#client) this.#connections.keep(this.#client);
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.stop(describeFault(error));
  }

  #finish(): void {
    this.isOver = true;
    this.#done(this);
  }

  // A refusal is known by its status, so a body without end does not hold the call.
  #overflow(): void {
    const error = tooLarge();
    if (this.isSuccess) return this.stop(error);
    this.#finish();
    this.#endConnection(error);
  }

  #endConnection(error: GatehouseError): void {
    if (this.#client) this.#connections.end(this.#client, error);
  }
}

function tooLarge(): GatehouseError {
  return new GatehouseError('upstream_too_large', { detail: 'The upstream answered with more than is allowed.' });
}
