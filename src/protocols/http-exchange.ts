import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { GatehouseError } from '../core/index.js';
import type { Stoppable } from './http-deadline.js';
import { describeFault } from './http-fault.js';

/** Bytes that are read of an answer that is no success: a problem document, and a connection that can be kept. */
const refusalLimitBytes = 65_536;

/** One request and its whole answer, bounded. Settles once; undici's handler, so that a call makes no closures. */
export class Exchange implements Dispatcher.DispatchHandler, Stoppable {
  status = 0;
  headers: IncomingHttpHeaders = {};
  readonly #limit: number;
  readonly #resolve: (exchange: Exchange) => void;
  readonly #reject: (error: GatehouseError) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #stopped: GatehouseError | undefined;
  #first: Buffer | undefined;
  #rest: Buffer[] | undefined;
  #size = 0;

  private constructor(limit: number, resolve: (exchange: Exchange) => void, reject: (error: GatehouseError) => void) {
    this.#limit = limit;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /**
   * Sends a request and reads its answer whole. Rejects with GatehouseError when the upstream can't be reached or
   * breaks off, and `upstream_too_large` when an answer has more than `limit` bytes.
   */
  static send(
    dispatcher: Dispatcher,
    options: Dispatcher.DispatchOptions,
    limit: number,
    deadline: { watch(waiting: Stoppable): void },
  ): Promise<Exchange> {
    return new Promise((resolve, reject) => {
      const exchange = new Exchange(limit, resolve, reject);
      deadline.watch(exchange);
      dispatcher.dispatch(options, exchange);
    });
  }

  /** The body: whole for a 2xx answer, at most its first 64 KiB otherwise. */
  get body(): Buffer {
    if (this.#first === undefined) return Buffer.alloc(0);
    return this.#rest === undefined ? this.#first : Buffer.concat([this.#first, ...this.#rest], this.#size);
  }

  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  stop(error: GatehouseError): void {
    if (this.#stopped) return;
    this.#stopped = error;
    this.#reject(error);
    this.#controller?.abort(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#stopped) controller.abort(this.#stopped);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    this.headers = headers;
    if (this.isSuccess && Number(headers['content-length']) > this.#limit) this.stop(tooLarge());
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
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
    this.#resolve(this);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#reject(describeFault(error));
  }

  // A refusal is known by its status, so a body without end does not hold the call.
  #overflow(): void {
    if (!this.isSuccess) this.#resolve(this);
    this.stop(tooLarge());
  }
}

function tooLarge(): GatehouseError {
  return new GatehouseError('upstream_too_large', { detail: 'The upstream answered with more than is allowed.' });
}
