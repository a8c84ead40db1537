import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Identity } from './certificates.js';
import { endAfterTest } from './cleanup.js';

/** What an upstream was asked. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A real HTTP upstream on 127.0.0.1. */
export interface TestUpstream {
  readonly origin: string;
  readonly port: number;
  /** Every request, body included, in the order in which they ended. */
  readonly requests: SeenRequest[];
  /** How many requests lost their connection before they were answered whole. */
  readonly broken: { count: number };
  /** Connections made so far, and those open now. */
  readonly connections: { made: number; readonly open: Set<Socket> };
  close(): Promise<void>;
}

/** Answers one request whose body has been read. */
export type UpstreamHandler = (request: SeenRequest, response: ServerResponse) => void;

/** Starts an upstream that ends with the test; over TLS when it has an identity. */
export async function startUpstream(handler: UpstreamHandler, identity?: Identity, port = 0): Promise<TestUpstream> {
  const upstream = await openUpstream(handler, identity, port);
  endAfterTest(() => upstream.close());
  return upstream;
}

/** Starts an upstream that lives until it is closed. */
export async function openUpstream(handler: UpstreamHandler, identity?: Identity, port = 0): Promise<TestUpstream> {
  const requests: SeenRequest[] = [];
  const broken = { count: 0 };
  const listener: RequestListener = (request, response) => {
    response.on('close', () => {
      if (!response.writableFinished) broken.count++;
    });
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const seen = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
      requests.push(seen);
      handler(seen, response);
    });
  };
  const server = identity ? createTlsServer({ ...identity }, listener) : createServer(listener);
  const connections = { made: 0, open: new Set<Socket>() };
  server.on('connection', (socket: Socket) => {
    connections.made++;
    connections.open.add(socket);
    socket.on('close', () => connections.open.delete(socket));
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return {
    origin: `${identity ? 'https' : 'http'}://127.0.0.1:${address.port}`,
    port: address.port,
    requests,
    broken,
    connections,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        for (const socket of connections.open) socket.destroy();
      }),
  };
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
