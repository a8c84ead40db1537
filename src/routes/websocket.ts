import websocket from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { CallScope, GatehouseError } from '../core/index.js';
import {
  authorizeCall,
  createAuthenticate,
  createLimit,
  createMark,
  present,
  readParams,
  requirePrincipal,
} from '../pipeline/index.js';
import { WebsocketCalls, type WebsocketParts } from './websocket-call.js';
import { WebsocketSession } from './websocket-session.js';

/** The configuration's `server.websocket`. */
export interface WebsocketSettings {
  readonly allowed_origins: readonly string[];
  readonly max_connections_per_caller: number;
  readonly max_message_bytes: number;
  readonly heartbeat_s: number;
}

type Done = (error?: Error) => void;

const routePath = '/tools/:manual/:tool/ws';
const closeGrace_ms = 500;

/**
 * Refuses handshakes that lead to no websocket endpoint; ahead of every route. @fastify/websocket would too, but its hooks
 * and its wrapper around every handler are for the one route that needs them (`registerWebsocketRoute`).
 */
export function refuseStrayHandshakes(app: FastifyInstance): void {
  app.addHook('onRequest', (request: FastifyRequest, reply: FastifyReply, done: Done) => {
    const { raw } = request;
    const isHandshake = 'upgrade' in raw && raw.upgrade === true;
    if (!isHandshake || request.routeOptions.url?.endsWith(routePath)) return done();
    // Node has handed the connection over: nobody else would end it.
    reply.raw.once('finish', () => raw.socket.destroy());
    done(new GatehouseError('malformed_request', { detail: 'There is no websocket endpoint here.' }));
  });
}

/** Whether the app has @fastify/websocket. */
export function takesWebsockets(app: FastifyInstance): boolean {
  return app.hasDecorator('websocketServer');
}

async function registerPlugin(app: FastifyInstance, settings: WebsocketSettings): Promise<void> {
  await app.register(websocket, {
    options: { maxPayload: settings.max_message_bytes, perMessageDeflate: false },
    // The session listens itself; what is left is a handler that failed.
    errorHandler: (_error, socket) => {
      if (socket.readyState === socket.OPEN) socket.terminate();
    },
    preClose: () => closeClients(app),
  });
}

/**
 * `GET /tools/{manual}/{tool}/ws`: a connection on which each message is a call. The handshake is authenticated and
 * authorised as a call is, comes from an allowed Origin, and counts among its caller's connections.
 */
export async function registerWebsocketRoute(
  app: FastifyInstance,
  parts: WebsocketParts,
  settings: WebsocketSettings,
): Promise<void> {
  // An app that takes handshakes already has its own @fastify/websocket.
  if (takesWebsockets(app)) return addRoute(app, parts, settings);
  await app.register(async (scope) => {
    await registerPlugin(scope, settings);
    addRoute(scope, parts, settings);
  });
}

function addRoute(app: FastifyInstance, parts: WebsocketParts, settings: WebsocketSettings): void {
  const { gate } = parts;
  const connections = new CallerConnections(settings.max_connections_per_caller);
  app.route({
    method: 'GET',
    url: routePath,
    exposeHeadRoute: false,
    onRequest: [
      createMark(gate, 'call', routePath),
      createAuthenticate(gate),
      authorizeCall,
      createOriginCheck(settings.allowed_origins),
      createLimit(gate, 'discovery'),
    ],
    preHandler: createPlaceCheck(parts, connections),
    handler: () => {
      throw new GatehouseError('malformed_request', { detail: 'This endpoint takes websocket handshakes alone.' });
    },
    wsHandler: (socket, request) => openSession(parts, settings, connections, socket, request),
  });
}

// A browser sends Origin with every handshake and lets no page change it, so a page elsewhere can't use what the
// browser presents by itself, such as a client certificate (RFC 6455 section 10.2).
function createOriginCheck(allowed: readonly string[]) {
  const origins = new Set(allowed);
  return function checkOrigin(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
    const { origin } = request.headers;
    if (origin === undefined || origins.has(origin)) return done();
    done(new GatehouseError('not_permitted', { detail: 'This origin may not connect.', reason: 'origin_not_allowed' }));
  };
}

// In the same tick as the handshake itself, so that no two handshakes share the last place.
function createPlaceCheck({ record }: WebsocketParts, connections: CallerConnections) {
  return function checkPlace(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
    const { exchange } = request;
    const refusal = connections.refuse(requirePrincipal(exchange).id);
    if (refusal || !request.ws) return done(refusal);
    // A handshake that the library refuses (its key, its version) never comes back to the pipeline.
    request.raw.socket.once('close', () => {
      if (exchange.recorded) return;
      exchange.error = new GatehouseError('malformed_request');
      record(exchange, exchange.error.status);
    });
    done();
  };
}

function openSession(
  parts: WebsocketParts,
  settings: WebsocketSettings,
  connections: CallerConnections,
  socket: WebSocket,
  request: FastifyRequest,
): void {
  const { gate, record } = parts;
  const { exchange } = request;
  const principal = requirePrincipal(exchange);
  const { request_id, address } = exchange;
  const calls = new WebsocketCalls(parts, {
    request_id,
    address,
    principal,
    presented: present(request),
    ...readParams(request),
  });
  const session = new WebsocketSession(socket, calls, settings);
  // Not a call: it only stands among the streams, so that a drain finds it.
  const scope = new CallScope(request_id, 0, principal.id, undefined, undefined, principal);
  connections.add(principal.id);
  gate.streams.add(scope);
  scope.onCancel((reason) => {
    if (reason === 'caller_blocked') session.dismiss('The caller is blocked.');
    else if (reason === 'credential_revoked') session.dismiss('The credential is no longer good.');
    else session.drain();
  });
  socket.on('close', () => {
    connections.remove(principal.id);
    gate.streams.delete(scope);
  });
  // The handshake is over; each message leaves its own event.
  exchange.kind = 'public';
  record(exchange, 101);
}

class CallerConnections {
  readonly #open = new Map<string, number>();

  constructor(readonly limit: number) {}

  refuse(caller: string): GatehouseError | undefined {
    if ((this.#open.get(caller) ?? 0) < this.limit) return undefined;
    return new GatehouseError('rate_limited', {
      detail: `At most ${this.limit} connections may be open at once.`,
      reason: 'connections_per_caller',
      retry_after: 1,
    });
  }

  add(caller: string): void {
    this.#open.set(caller, (this.#open.get(caller) ?? 0) + 1);
  }

  remove(caller: string): void {
    const open = (this.#open.get(caller) ?? 1) - 1;
    if (open > 0) this.#open.set(caller, open);
    else this.#open.delete(caller);
  }
}

/** The drain is over: says goodbye to who is still there, and does not wait long for the answer. */
async function closeClients(app: FastifyInstance): Promise<void> {
  const { clients } = app.websocketServer;
  const gone = [...clients].map((client) => new Promise<void>((resolve) => client.once('close', () => resolve())));
  for (const client of clients) client.close(1001, 'The server is shutting down.');
  const cut = setTimeout(() => {
    for (const client of clients) client.terminate();
  }, closeGrace_ms);
  await Promise.all(gone);
  clearTimeout(cut);
  app.websocketServer.close();
}
