import { type RawData, WebSocket } from 'ws';
import { GatehouseError } from '../core/index.js';
import type { GuardedUpstream } from './egress.js';
import { guardedLookup } from './egress-connection.js';
import type { Stoppable } from './http-deadline.js';
import { describeFault } from './http-fault.js';

/** What a websocket connection to an upstream is opened with. */
export interface WebsocketTarget {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly protocol: string | undefined;
  readonly upstream: GuardedUpstream;
  /** Whole milliseconds until the handshake must be done. */
  readonly connection_timeout_ms: number;
  /** Whole milliseconds between pings; a peer that has not answered the last one when the next is due is dead. */
  readonly ping_interval_ms: number;
  /** Whole bytes that one message may have. */
  readonly max_message_bytes: number;
}

/** A message of the upstream: text as a string, binary as bytes. */
export type WebsocketMessage = string | Buffer;

/** What a connection is stopped by besides itself: a call's deadline. */
export interface Watcher {
  watch(waiting: Stoppable): void;
}

const closeTimeout_ms = 1000;
/** Messages that wait for the consumer before the socket is paused, and at which it is resumed. */
const highWater = 16;
const lowWater = 4;

/**
 * One connection to an upstream (RFC 6455). Messages wait in order, with backpressure; the heartbeat ends a connection
 * whose peer is gone. `close` or `terminate` must follow.
 */
export class WebsocketConnection implements Stoppable {
  readonly #socket: WebSocket;
  #queue: WebsocketMessage[] = [];
  #heartbeat: NodeJS.Timeout | undefined;
  #alive = true;
  /** What this side ended it with: nothing more is handed on. */
  #stopped: GatehouseError | undefined;
  /** What the upstream's side broke off with: what came before is handed on first. */
  #broken: GatehouseError | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('error', (error) => this.#break(describeSocketError(error)));
    socket.on('close', (code) => this.#onClose(code));
  }

  /**
   * Connects by the guarded lookup and the upstream's TLS profile alone; redirects are not followed. Throws
   * GatehouseError `upstream_failed` or `upstream_timeout`, or what `deadline` stops it with.
   */
  static async open(target: WebsocketTarget, deadline: Watcher): Promise<WebsocketConnection> {
    const options = {
      ...target.upstream.tls.options,
      lookup: guardedLookup(target.upstream.policy),
      headers: target.headers,
      maxPayload: target.max_message_bytes,
      // A small compressed frame can unfold to any size.
      perMessageDeflate: false,
      followRedirects: false,
      closeTimeout: closeTimeout_ms,
    };
    const socket = new WebSocket(target.url, target.protocol === undefined ? [] : [target.protocol], options);
    const connection = new WebsocketConnection(socket);
    deadline.watch(connection);
    await connection.#handshake(target.connection_timeout_ms);
    connection.#startHeartbeat(target.ping_interval_ms);
    return connection;
  }

  /** Whether nothing has come or gone wrong since the last message was taken: only then may another call use it. */
  get isQuiet(): boolean {
    return this.#socket.readyState === WebSocket.OPEN && this.#queue.length === 0 && !this.#broken && !this.#stopped;
  }

  /** Calls `listener` when the connection ends, or a message comes that nobody asked for. */
  onDisturbed(listener: (() => void) | undefined): void {
    this.#wake = listener;
  }

  /** Sends one text message. Throws GatehouseError when it can't be sent. */
  async send(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(text, (error) => {
        if (error) reject(this.#stopped ?? this.#broken ?? describeSocketError(error));
        else resolve();
      });
    });
  }

  /**
   * The next message; undefined when the upstream has closed in good order. Throws GatehouseError when the connection
   * broke off or was stopped, and `upstream_timeout` when nothing comes within `timeoutMs`.
   */
  async next(timeoutMs: number): Promise<WebsocketMessage | undefined> {
    if (this.#isWaiting) await this.#arrival(timeoutMs);
    if (this.#stopped) throw this.#stopped;
    const message = this.#queue.shift();
    if (this.#socket.isPaused && this.#queue.length <= lowWater) this.#resume();
    if (message === undefined && this.#broken) throw this.#broken;
    return message;
  }

  stop(error: GatehouseError): void {
    if (this.#stopped) return;
    this.#stopped = error;
    this.#socket.terminate();
    this.#wake?.();
  }

  /** Says goodbye, and settles when the socket is gone, after a second at the latest. */
  async close(): Promise<void> {
    this.#stopReceiving();
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = this.#closed();
    this.#resume();
    this.#socket.close(1000);
    await closed;
  }

  /** Ends the connection at once, and settles when the socket is gone. */
  async terminate(): Promise<void> {
    this.#stopReceiving();
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = this.#closed();
    this.#socket.terminate();
    await closed;
  }

  get #isWaiting(): boolean {
    return this.#queue.length === 0 && !this.#ended && !this.#stopped;
  }

  async #handshake(timeoutMs: number): Promise<void> {
    // Not the library's own timeout, which every byte of a slow answer starts anew.
    const timer = setTimeout(() => this.stop(timedOut('connection_timeout')), timeoutMs);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#socket.once('open', resolve);
        this.#socket.once('close', () => reject(this.#stopped ?? this.#broken));
        this.#socket.once('unexpected-response', (_request, response) => {
          this.#break(describeStatus(response.statusCode ?? 0));
          this.#socket.terminate();
        });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #startHeartbeat(intervalMs: number): void {
    this.#heartbeat = setInterval(() => {
      // The pong of a paused socket waits behind the messages that nobody reads yet.
      if (this.#socket.isPaused) return;
      if (!this.#alive) return this.stop(timedOut('heartbeat_lost'));
      this.#alive = false;
      this.#socket.ping();
    }, intervalMs);
  }

  #receive(data: RawData, isBinary: boolean): void {
    const bytes = toBuffer(data);
    this.#alive = true;
    this.#queue.push(isBinary ? bytes : bytes.toString('utf8'));
    if (this.#queue.length >= highWater) this.#socket.pause();
    this.#wake?.();
  }

  #closed(): Promise<void> {
    return new Promise((resolve) => this.#socket.once('close', () => resolve()));
  }

  #resume(): void {
    // A pong may still stand behind what waited in the socket.
    this.#alive = true;
    this.#socket.resume();
  }

  #stopReceiving(): void {
    clearInterval(this.#heartbeat);
    this.#socket.removeAllListeners('message');
    this.#queue = [];
    this.#wake = undefined;
  }

  #break(error: GatehouseError): void {
    this.#broken ??= error;
  }

  #onClose(code: number): void {
    clearInterval(this.#heartbeat);
    this.#ended = true;
    // 1000: done; 1001: going away; 1005: a close frame without a code (RFC 6455 section 7.4.1).
    if (code !== 1000 && code !== 1001 && code !== 1005) {
      this.#break(new GatehouseError('upstream_failed', { reason: 'connection_reset' }));
    }
    this.#wake?.();
  }

  #arrival(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.stop(timedOut('response_timeout')), timeoutMs);
    return new Promise((resolve) => {
      this.#wake = () => {
        if (this.#isWaiting) return;
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

function timedOut(reason: 'connection_timeout' | 'response_timeout' | 'heartbeat_lost'): GatehouseError {
  return new GatehouseError('upstream_timeout', { reason });
}

function describeStatus(status: number): GatehouseError {
  return new GatehouseError('upstream_failed', {
    detail: `The upstream refused the connection with status ${status}.`,
    reason: `status_${status}`,
    upstream_status: status,
  });
}

function describeSocketError(error: Error): GatehouseError {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
    return new GatehouseError('upstream_too_large', { detail: 'A message is too large.', reason: 'message_too_large' });
  }
  // Frames that RFC 6455 does not allow; text that is not UTF-8.
  if (typeof code === 'string' && code.startsWith('WS_ERR_')) {
    return new GatehouseError('upstream_invalid', { reason: 'answer_malformed', cause: error });
  }
  return describeFault(error);
}
