import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { GatehouseError } from '../core/index.js';
import type { Stoppable } from './http-deadline.js';
import { describeFault } from './http-fault.js';

/** Bytes that are read of an answer that is no success: a problem document, and a connection that can be kept. */
const refusalLimitBytes = 65_536;
const noHeaders: IncomingHttpHeaders = {};

/**
 * One request and its whole answer, bounded: undici's handler, so that a call makes no closures. It never rejects: what
 * failed is in `failure`, because a failure is often not the end of a call.
 */
export class Exchange implements Dispatcher.DispatchHandler, Stoppable {
  status = 0;
  headers: IncomingHttpHeaders = noHeaders;
  /** Why there is no answer; undefined when there is one, whatever its status. */
  failure: GatehouseError | undefined;
  readonly #limit: number;
  readonly #resolve: (exchange: Exchange) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #settled = false;
  #first: Buffer | undefined;
  #rest: Buffer[] | undefined;
  #size = 0;

  private constructor(limit: number, resolve: (exchange: Exchange) => void) {
    this.#limit = limit;
    this.#resolve = resolve;
  }

  /**
   * Sends a request and reads its answer whole. Fails when the upstream can't be reached or breaks off, and with
   * `upstream_too_large` when a 2xx answer has more than `limit` bytes.
   */
  static send(
    dispatcher: Dispatcher,
    options: Dispatcher.DispatchOptions,
    limit: number,
    deadline: { watch(waiting: Stoppable): void },
  ): Promise<Exchange> {
    return new Promise((resolve) => {
      const exchange = new Exchange(limit, resolve);
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
    return this.failure === undefined && this.status >= 200 && this.status < 300;
  }

  stop(error: GatehouseError): void {
    if (this.#settled) return;
    this.#fail(error);
    this.#controller?.abort(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.failure) controller.abort(this.failure);
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
    this.#settled = true;
    this.#resolve(this);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#settled) this.#fail(describeFault(error));
  }

  #fail(error: GatehouseError): void {
    this.#settled = true;
    this.failure = error;
    this.#resolve(this);
  }

  // A refusal is known by its status, so a body without end does not hold the call.
  #overflow(): void {
    const error = tooLarge();
    if (this.isSuccess) this.#fail(error);
    else this.onResponseEnd();
    this.#controller?.abort(error);
  }
}

function tooLarge(): GatehouseError {
  return new GatehouseError('upstream_too_large', { detail: 'The upstream answered with more than is allowed.' });
}
