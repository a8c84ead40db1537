import type { RawData, WebSocket } from 'ws';
import { GatehouseError } from '../core/index.js';
import type { WebsocketCalls } from './websocket-call.js';
import { readCallMessage } from './websocket-message.js';

/** Messages of one connection that are worked on at once; the others wait, and the socket with them. */
const maxInFlight = 8;
const sendStall_ms = 30_000;
const closeGrace_ms = 1000;

/** Codes of RFC 6455 section 7.4.1. */
const goingAway = 1001;
const policyViolation = 1008;
const messageTooBig = 1009;

interface Waiting {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/**
 * An open connection of a caller: takes messages with backpressure, answers each, and ends when the client is gone, its
 * credential is no longer good, or the server drains.
 */
export class WebsocketSession {
  readonly #socket: WebSocket;
  readonly #calls: WebsocketCalls;
  readonly #maxMessageBytes: number;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #waiting: Waiting[] = [];
  #inFlight = 0;
  #alive = true;
  /** Why the connection is to be closed once its calls are answered. */
  #closing: { readonly code: number; readonly reason: string } | undefined;

  constructor(
    socket: WebSocket,
    calls: WebsocketCalls,
    { heartbeat_s, max_message_bytes }: { readonly heartbeat_s: number; readonly max_message_bytes: number },
  ) {
    this.#socket = socket;
    this.#calls = calls;
    this.#maxMessageBytes = max_message_bytes;
    this.#heartbeat = setInterval(() => this.#beat(), heartbeat_s * 1000);
    socket.on('message', (data, isBinary) => this.#take(data, isBinary));
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('error', (error) => this.#noteError(error));
    socket.on('close', () => this.#end());
  }

  /** Takes no more messages; closes when those that are worked on are answered. */
  drain(): void {
    this.#closeAfterAnswers(goingAway, 'The server is shutting down.');
  }

  /** As `drain`, for a caller that may go on no longer. */
  dismiss(why: string): void {
    this.#closeAfterAnswers(policyViolation, why);
  }

  #take(data: RawData, isBinary: boolean): void {
    this.#alive = true;
    if (this.#closing) return;
    const message = toBuffer(data);
    // Where the websocket server is an app's own, its bound is the app's too.
    if (message.length > this.#maxMessageBytes) return this.#refuseLength();
    this.#waiting.push({ data: message, isBinary });
    this.#startNext();
  }

  #startNext(): void {
    while (this.#inFlight < maxInFlight) {
      const next = this.#waiting.shift();
      if (!next) break;
      this.#inFlight++;
      void this.#work(next);
    }
    if (this.#inFlight >= maxInFlight) this.#socket.pause();
    else if (this.#socket.isPaused) this.#resume();
  }

  async #work({ data, isBinary }: Waiting): Promise<void> {
    const { answer, error } = await this.#calls.run(readCallMessage(data, isBinary));
    await this.#send(answer);
    this.#inFlight--;
    if (error && endsConnection(error)) this.#closeAfterAnswers(policyViolation, 'The credential is no longer good.');
    if (this.#closing) this.#closeWhenIdle();
    else this.#startNext();
  }

  /** Settles when the answer is on its way; ends a connection whose client takes nothing. */
  async #send(answer: string): Promise<void> {
    const stalled = setTimeout(() => this.#socket.terminate(), sendStall_ms);
    // An error says that the client has gone, which `close` tells anyway.
    await new Promise<void>((resolve) => this.#socket.send(answer, () => resolve()));
    clearTimeout(stalled);
  }

  #closeAfterAnswers(code: number, reason: string): void {
    this.#closing ??= { code, reason };
    this.#waiting.length = 0;
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#inFlight > 0 || !this.#closing || this.#socket.readyState !== this.#socket.OPEN) return;
    const { code, reason } = this.#closing;
    // A client that was paused has its own goodbye to read.
    this.#socket.resume();
    this.#socket.close(code, reason);
    const cut = setTimeout(() => this.#socket.terminate(), closeGrace_ms);
    this.#socket.once('close', () => clearTimeout(cut));
  }

  #beat(): void {
    // The pong of a paused socket waits behind the messages that are not read yet.
    if (this.#socket.isPaused) return;
    if (!this.#alive) {
      this.#socket.terminate();
      return;
    }
    this.#alive = false;
    this.#socket.ping();
  }

  #resume(): void {
    this.#alive = true;
    this.#socket.resume();
  }

  #noteError(error: Error): void {
    if ('code' in error && error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') this.#recordLength();
  }

  #refuseLength(): void {
    this.#recordLength();
    this.#closeAfterAnswers(messageTooBig, 'The message is too large.');
  }

  #recordLength(): void {
    this.#calls.refuse(new GatehouseError('body_too_large', { detail: 'The message is too large.' }));
  }

  #end(): void {
    clearInterval(this.#heartbeat);
    this.#waiting.length = 0;
    this.#calls.abort();
  }
}

function endsConnection(error: GatehouseError): boolean {
  return error.status === 401 || error.code === 'caller_blocked';
}

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
