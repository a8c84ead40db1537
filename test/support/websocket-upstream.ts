import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Identity } from './certificates.js';

/** A websocket server on 127.0.0.1 that answers as a test says. */
export interface WebsocketUpstream {
  readonly port: number;
  /** The handshakes that were done, in order. */
  readonly handshakes: readonly IncomingMessage[];
  /** How many clients are connected now. */
  readonly open: number;
  close(): Promise<void>;
}

export interface WebsocketUpstreamOptions {
  readonly identity?: Identity;
  readonly protocol?: string;
  readonly autoPong?: boolean;
  readonly port?: number;
  /** Whether a handshake is let in; one that is not is answered with 401. */
  readonly authorize?: (request: IncomingMessage) => boolean;
}

/** Starts one; `onClient` gets each connection once it stands. */
export async function startWebsocketUpstream(
  onClient: (client: WebSocket, request: IncomingMessage) => void,
  options: WebsocketUpstreamOptions = {},
): Promise<WebsocketUpstream> {
  const server: Server = options.identity ? createTlsServer(options.identity) : createServer();
  const { protocol, autoPong = true, authorize = () => true } = options;
  const sockets = new WebSocketServer({
    server,
    autoPong,
    verifyClient: ({ req }: { req: IncomingMessage }) => authorize(req),
    ...(protocol !== undefined && { handleProtocols: () => protocol }),
  });
  const handshakes: IncomingMessage[] = [];
  sockets.on('connection', (client, request) => {
    client.on('error', () => undefined);
    handshakes.push(request);
    onClient(client, request);
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    handshakes,
    get open() {
      return sockets.clients.size;
    },
    async close() {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The port that a listening server was given. */
export function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server does not listen.');
  return address.port;
}
