import type { Server } from 'node:http';
import {
  constants,
  createServer,
  type Http2Server,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { ServerConfig } from '../config/index.js';
import { guardSession } from './http2-session.js';
import { writeHeadersRefusal } from './refusal.js';

/** Bytes that the headers of a request may have, all together; of HTTP/1.1 as of HTTP/2. */
export const maxHeaderBytes = 16_384;
const maxStreams = 100;
const maxHeaders = 100;
/** What an HTTP/2 connection in the clear begins with (RFC 9113 section 3.4); no method of HTTP/1 does. */
const preface = 'PRI';

/**
 * HTTP/2 on the listener of HTTP/1.1: by ALPN over TLS, by prior knowledge in the clear (h2c). Requests of both go to the
 * same handler. Websockets need HTTP/1.1: extended CONNECT (RFC 8441) is not offered, so that no client tries.
 */
export class Http2Side {
  readonly #server: Server;
  readonly #settings: ServerConfig;
  readonly #http2: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  #leaving = false;

  constructor(server: Server, settings: ServerConfig) {
    this.#server = server;
    this.#settings = settings;
    const { headers_timeout_ms } = settings;
    this.#http2 = createServer({
      settings: { maxConcurrentStreams: maxStreams, maxHeaderListSize: maxHeaderBytes, enableConnectProtocol: false },
      maxHeaderListPairs: maxHeaders,
    });
    this.#http2.on('session', (session) => this.#hold(session));
    this.#http2.on('stream', (stream) => this.#limitTime(stream));
    this.#http2.on('request', (request, response) => {
      completeResponse(response);
      if (sizeOf(request.rawHeaders) > maxHeaderBytes) refuseHeaders(response);
      else server.emit('request', request, response);
    });
    if (settings.tls) this.#takeOver('secureConnection', (socket, take) => take(usesHttp2(socket)));
    else this.#takeOver('connection', (socket, take) => sniff(socket, headers_timeout_ms, take));
  }

  leave(): void {
    this.#leaving = true;
    for (const session of this.#sessions) session.close();
  }

  destroy(): void {
    for (const session of this.#sessions) session.destroy();
  }

  /** Puts a choice ahead of the listeners that speak HTTP/1.1. */
  #takeOver(event: string, choose: (socket: Socket, take: (isHttp2: boolean) => void) => void): void {
    const others = this.#server.listeners(event);
    this.#server.removeAllListeners(event);
    this.#server.on(event, (socket: Socket) => {
      choose(socket, (isHttp2) => {
        if (isHttp2) this.#begin(socket);
        else for (const other of others) Reflect.apply(other, this.#server, [socket]);
      });
    });
  }

  #begin(socket: Socket): void {
    // A listener of HTTP/1.1 leaves connections open that their client has ended; here that would hide an abort.
    socket.allowHalfOpen = false;
    this.#http2.emit('connection', socket);
  }

  #hold(session: ServerHttp2Session): void {
    guardSession(session);
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.on('error', () => session.destroy());
    // Until a first request comes, a connection has as long as the headers of one have.
    session.setTimeout(this.#settings.headers_timeout_ms, () => session.close());
    session.once('stream', () => session.setTimeout(this.#settings.keep_alive_timeout_ms));
    if (this.#leaving) session.close();
  }

  /** A request has as long as one of HTTP/1.1 has, and so has a reader that takes nothing. */
  #limitTime(stream: ServerHttp2Stream): void {
    const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
    stream.on('error', cancel);
    stream.setTimeout(this.#settings.stall_timeout_ms, () => {
      if (stream.writableLength > 0) cancel();
    });
    if (stream.endAfterHeaders) return;
    const late = setTimeout(cancel, this.#settings.request_timeout_ms);
    const forget = () => clearTimeout(late);
    stream.once('end', forget).once('close', forget);
  }
}

function usesHttp2(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.alpnProtocol === 'h2';
}

/** Waits for the first bytes, puts them back and says what they are; ends a connection that sends none in time. */
function sniff(socket: Socket, timeout_ms: number, take: (isHttp2: boolean) => void): void {
  const late = setTimeout(() => socket.destroy(), timeout_ms);
  const quiet = () => socket.destroy();
  let seen = Buffer.alloc(0);
  const look = () => {
    const bytes: unknown = socket.read();
    if (!Buffer.isBuffer(bytes)) return;
    seen = Buffer.concat([seen, bytes]);
    const start = seen.toString('latin1', 0, preface.length);
    if (start.length < preface.length && preface.startsWith(start)) return;
    socket.off('readable', look).off('error', quiet);
    clearTimeout(late);
    socket.unshift(seen);
    take(start === preface);
  };
  socket
    .on('readable', look)
    .on('error', quiet)
    .once('close', () => clearTimeout(late));
}

/** As RFC 9113 section 6.5.2 counts; what SETTINGS_MAX_HEADER_LIST_SIZE says is advice that a client need not take. */
function sizeOf(rawHeaders: readonly string[]): number {
  return rawHeaders.reduce((size, text) => size + text.length + 16, 0);
}

function refuseHeaders(response: Http2ServerResponse): void {
  const { status, headers, body } = writeHeadersRefusal();
  response.writeHead(status, headers).end(body);
}

/**
 * Makes Node's HTTP/2 response tell what streams, Fastify and the record read of every other one. It says 'finish' also
 * of an answer whose reader has gone, so an abort is told first, as the 'close' that it is.
 */
function completeResponse(response: Http2ServerResponse): void {
  const { stream } = response;
  Object.defineProperties(response, {
    destroyed: { get: () => stream.destroyed },
    writableNeedDrain: { get: () => stream.writableNeedDrain },
    writableFinished: { get: () => response.writableEnded && stream.writableFinished && !stream.aborted },
  });
  stream.once('aborted', () => response.emit('close'));
  // A connection that ends without a word aborts nothing.
  stream.prependOnceListener('close', () => {
    if (!response.writableEnded) response.emit('close');
  });
}
