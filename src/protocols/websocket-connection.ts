import { type RawData, WebSocket } from 'ws';
import { GatehouseError } from '../core/index.js';
import type { GuardedUpstream } from './egress.js';
import { guardedLookup } from './egress-connection.js';

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

const closeTimeout_ms = 1000;
/** Messages that wait for the consumer before the socket is paused, and at which it is resumed. */
const highWater = 16;
const lowWater = 4;

/**
 * One connection to an upstream (RFC 6455). Messages wait in order, with backpressure; the heartbeat ends a connection
 * whose peer is gone. `close` or `terminate` must follow.
 */
export class WebsocketConnection {
  readonly #socket: WebSocket;
  #queue: WebsocketMessage[] = [];
  #heartbeat: NodeJS.Timeout | undefined;
  #alive = true;
  #failure: GatehouseError | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('error', (error) => this.#fail(describeFailure(error)));
    socket.on('close', (code) => this.#onClose(code));
  }

  /**
   * Connects by the guarded lookup and the upstream's TLS profile alone; redirects are not followed. Throws
   * GatehouseError `upstream_unavailable`, `upstream_failed` or `upstream_timeout`, or what `signal` was aborted with.
   */
  static async open(target: WebsocketTarget, signal: AbortSignal): Promise<WebsocketConnection> {
    signal.throwIfAborted();
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
    await connection.#handshake(target.connection_timeout_ms, signal);
    connection.#startHeartbeat(target.ping_interval_ms);
    return connection;
  }

  /** Whether nothing has come or gone wrong since the last message was taken: only then may another call use it. */
  get isQuiet(): boolean {
    return this.#socket.readyState === WebSocket.OPEN && this.#queue.length === 0 && !this.#failure;
  }

  /** Calls `listener` when the connection ends, or a message comes that nobody asked for. */
  onDisturbed(listener: (() => void) | undefined): void {
    this.#wake = listener;
  }

  /** Sends one text message. Throws GatehouseError when it can't be sent. */
  async send(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(text, (error) => (error ? reject(this.#failure ?? describeFailure(error)) : resolve()));
    });
  }

  /**
   * The next message; undefined when the upstream has closed in good order. Throws GatehouseError when the connection
   * failed, or what `signal` was aborted with.
   */
  async next(signal: AbortSignal): Promise<WebsocketMessage | undefined> {
    while (this.#queue.length === 0 && !this.#ended) {
      signal.throwIfAborted();
      await this.#change(signal);
    }
    signal.throwIfAborted();
    const message = this.#queue.shift();
    if (this.#socket.isPaused && this.#queue.length <= lowWater) this.#resume();
    if (message === undefined && this.#failure) throw this.#failure;
    return message;
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

  async #handshake(timeout_ms: number, signal: AbortSignal): Promise<void> {
    const fail = (error: GatehouseError) => {
      this.#fail(error);
      this.#socket.terminate();
    };
    const timer = setTimeout(
      () => fail(new GatehouseError('upstream_timeout', { reason: 'connection_timeout' })),
      timeout_ms,
    );
    const onAbort = () => fail(describeFailure(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await new Promise<void>((resolve, reject) => {
        this.#socket.once('open', resolve);
        this.#socket.once('close', () => reject(this.#failure ?? new GatehouseError('upstream_failed')));
        this.#socket.once('unexpected-response', (_request, response) => {
          const status = response.statusCode ?? 0;
          fail(new GatehouseError('upstream_failed', { reason: 'handshake_refused', upstream_status: status }));
        });
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }

  #startHeartbeat(interval_ms: number): void {
    this.#heartbeat = setInterval(() => {
      // The pong of a paused socket waits behind the messages that nobody reads yet.
      if (this.#socket.isPaused) return;
      if (!this.#alive) {
        this.#fail(new GatehouseError('upstream_timeout', { reason: 'heartbeat_lost' }));
        this.#socket.terminate();
        return;
      }
      this.#alive = false;
      this.#socket.ping();
    }, interval_ms);
  }

  #receive(data: RawData, isBinary: boolean): void {
    const bytes = toBuffer(data);
    this.#alive = true;
    this.#queue.push(isBinary ? bytes : bytes.toString('utf8'));
    if (this.#queue.length >= highWater) this.#socket.pause();
    this.#notify();
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

  #fail(error: GatehouseError): void {
    this.#failure ??= error;
  }

  #onClose(code: number): void {
    clearInterval(this.#heartbeat);
    this.#ended = true;
    // 1000: done; 1001: going away; 1005: a close frame without a code (RFC 6455 section 7.4.1).
    if (code !== 1000 && code !== 1001 && code !== 1005) {
      this.#fail(new GatehouseError('upstream_failed', { reason: 'connection_lost' }));
    }
    this.#notify();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }

  #notify(): void {
    this.#wake?.();
  }
}

function toBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

const connectFailures: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect_refused',
  ECONNRESET: 'connection_lost',
  EPIPE: 'connection_lost',
  ENOTFOUND: 'name_not_found',
  EAI_AGAIN: 'name_not_found',
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 'event_too_large',
};

function describeFailure(error: unknown): GatehouseError {
  if (error instanceof GatehouseError) return error;
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const reason = connectFailures[code] ?? 'websocket_error';
  return new GatehouseError(reason === 'event_too_large' ? 'upstream_too_large' : 'upstream_failed', {
    reason,
    cause: error,
  });
}
