import { isIP } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { basePathOf, createUrlRewriter, type ServerConfig } from '../config/index.js';
import { GatehouseError } from '../core/index.js';
import { createRecord, Exchange, type Gate, type Recorder, readTraceHeaders } from '../pipeline/index.js';
import type { Answers } from '../routes/answer.js';
import type { ErrorResponder } from '../routes/errors.js';
import type { Listener } from './listener.js';
import { createClientErrorHandler, createUrlRefuser } from './refusal.js';
import { createRequestIds } from './request-id.js';

/** Longest manual or tool name in a path; the router answers 404 beyond it without looking. */
const maxParamLength = 500;

/** Makes the Fastify instance of a listener, without routes. */
export function createApp(settings: ServerConfig, listener: Listener): FastifyInstance {
  const makeId = createRequestIds();
  const base = basePathOf(settings.public_url);
  return fastify({
    logger: false,
    trustProxy: settings.trust_proxy.length > 0 ? settings.trust_proxy : false,
    bodyLimit: settings.max_body_bytes,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength, ignoreTrailingSlash: false, caseSensitive: true },
    serverFactory(handler) {
      listener.serve(handler);
      return listener.server;
    },
    clientErrorHandler: createClientErrorHandler(makeId),
    frameworkErrors: createUrlRefuser(makeId),
    ...(base !== '' && { rewriteUrl: createUrlRewriter(base) }),
  });
}

/** What every request is met with. */
export interface ExchangeParts {
  readonly gate: Gate;
  readonly errors: ErrorResponder;
  /** Puts the standard headers on. */
  readonly answers: Answers;
  readonly max_body_bytes: number;
  /** Whether paths that lead nowhere are this server's to answer. */
  readonly owns_unknown_paths: boolean;
}

/**
 * Everything that every request passes: its exchange, the standard headers, the record, and errors as problems. All of
 * it stays within `app`, which may be a part of a greater one.
 */
export function installExchange(app: FastifyInstance, parts: ExchangeParts): Recorder {
  const { gate, errors, answers, max_body_bytes } = parts;
  const record = createRecord(gate);
  const open = createOpener(gate, record);
  app.decorateRequest('exchange');
  app.addHook('onRequest', (request, reply, done) => {
    open(request, reply);
    done();
  });
  // A hook of an app that this one is a part of comes first, and may end a request that has no exchange yet.
  app.addHook('onSend', (request, reply, _payload, done) => {
    open(request, reply);
    answers.dress(request, reply);
    done();
  });
  app.setErrorHandler((error, request, reply) => {
    open(request, reply);
    return errors.send(request, reply, error);
  });
  if (parts.owns_unknown_paths) {
    app.setNotFoundHandler((request, reply) => errors.send(request, reply, new GatehouseError('not_found')));
  }
  // Bodies are read as bytes and parsed once, by the stage that knows what they should be; a GET's empty body may come
  // with any content type.
  app.removeAllContentTypeParsers();
  const reading = { parseAs: 'buffer', bodyLimit: max_body_bytes } as const;
  app.addContentTypeParser('*', reading, (_request, body, done) => done(null, body));
  return record;
}

/** Gives a request its exchange, once, and sees to it that it is recorded. */
function createOpener(gate: Gate, record: Recorder): (request: FastifyRequest, reply: FastifyReply) => void {
  const makeId = createRequestIds();
  return (request, reply) => {
    if (request.exchange) return;
    const { traceparent, tracestate } = readTraceHeaders(request.headers.traceparent, request.headers.tracestate);
    request.exchange = new Exchange(gate.generation, makeId(), addressOf(request), traceparent, tracestate);
    gate.active++;
    record.watch(request.exchange, reply);
  };
}

/** A trusted gateway may hand on what no address is, as a client wrote it; then the gateway's own address stands. */
function addressOf(request: FastifyRequest): string {
  const { ip } = request;
  return isIP(ip) > 0 ? ip : (request.raw.socket.remoteAddress ?? 'unknown');
}
