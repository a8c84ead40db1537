import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import type { ServerConfig } from '../config/index.js';
import { LoadError } from '../core/index.js';
import { DivertibleMessage } from '../routes/incoming.js';
import { Http2Side, maxHeaderBytes } from './http2.js';

/** The public listener: HTTP/1.1, and HTTP/2 beside it where the configuration says so. */
export interface Listener {
  readonly server: Server;
  /** Says who answers requests; once, before it listens. */
  serve(handler: RequestListener): void;
  /** Tells HTTP/2 peers to go elsewhere with what comes next; what they have sent is answered. */
  leave(): void;
  /** Ends every connection. */
  destroy(): void;
}

/** Makes the listener; it listens when it is told to. Throws LoadError for TLS files that can't be used. */
export function createListener(settings: ServerConfig): Listener {
  const { tls, headers_timeout_ms, request_timeout_ms } = settings;
  const options = {
    // Node refuses a longer wait for the headers than for the whole request.
    headersTimeout: Math.min(headers_timeout_ms, request_timeout_ms),
    requestTimeout: request_timeout_ms,
    keepAliveTimeout: settings.keep_alive_timeout_ms,
    // Node looks for slow senders every 30 s unless told, which would make the timeouts above that much longer.
    connectionsCheckingInterval: Math.min(1000, Math.ceil(headers_timeout_ms / 4)),
    maxHeaderSize: maxHeaderBytes,
    IncomingMessage: DivertibleMessage,
  };
  const server = tls
    ? createTls({ ...options, handshakeTimeout: headers_timeout_ms }, tls, settings.http2)
    : createServer(options);
  server.setTimeout(settings.stall_timeout_ms, endStalled);
  const second = settings.http2 ? new Http2Side(server, settings) : undefined;
  return {
    server,
    // Node would answer an unknown Expect with 417 by itself, past every stage and without an event; RFC 9110 section
    // 10.1.1 leaves it to the server.
    serve: (handler) => void server.on('request', handler).on('checkExpectation', handler),
    leave: () => second?.leave(),
    destroy() {
      second?.destroy();
      server.closeAllConnections();
    },
  };
}

/**
 * A quiet connection is ended when it is between requests, or when its reader doesn't take what is written; one that
 * waits for a call that takes long is left alone.
 */
function endStalled(socket: Socket): void {
  const isAnswering = '_httpMessage' in socket && socket._httpMessage != null;
  if (!isAnswering || socket.writableLength > 0) socket.destroy();
}

function createTls(
  options: Parameters<typeof createTlsServer>[0],
  tls: NonNullable<ServerConfig['tls']>,
  http2: boolean,
): Server {
  const ALPNProtocols = http2 ? ['h2', 'http/1.1'] : ['http/1.1'];
  try {
    const server = createTlsServer({ ...options, ...readTls(tls), ALPNProtocols });
    // Node would have these answered as what HTTP can't read. Such an answer waits for the handshake, so that one that is
    // late keeps its connection, and is then written below the session of HTTP/2, on which every Node aborts.
    return server.removeAllListeners('tlsClientError').on('tlsClientError', (_error, socket) => socket.destroy());
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw LoadError.of({
      rule: 'tls-file-unusable',
      pointer: '/server/tls',
      message: `The certificate and key cannot be used: ${error instanceof Error ? error.message : String(error)}.`,
      mend: 'Name a PEM certificate (its chain after it) and the PEM key that belongs to it.',
    });
  }
}

function readTls(tls: NonNullable<ServerConfig['tls']>): TlsOptions {
  return {
    cert: readTlsFile(tls.cert_file, 'cert_file'),
    key: readTlsFile(tls.key_file, 'key_file'),
    ...(tls.client_ca_file !== undefined && { ca: readTlsFile(tls.client_ca_file, 'client_ca_file') }),
    minVersion: tls.min_version,
    // Callers with other credentials come without a certificate; one that does not verify names nobody.
    requestCert: tls.client_ca_file !== undefined,
    rejectUnauthorized: false,
  };
}

function readTlsFile(path: string, key: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    throw LoadError.of({
      rule: 'tls-file-unreadable',
      pointer: `/server/tls/${key}`,
      message: 'The TLS file cannot be read.',
      mend: 'Correct the path, or make the file readable for this user.',
    });
  }
}
