import { readFileSync } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { ServerConfig } from '../config/index.js';
import { GatehouseError, LoadError } from '../core/index.js';
import { createRecord, Exchange, type Gate, type Recorder } from '../pipeline/index.js';
import type { Answers } from '../routes/answer.js';
import type { ErrorResponder } from '../routes/errors.js';
import { createRequestIds } from './request-id.js';

/** Longest manual or tool name in a path; the router answers 404 beyond it without looking. */
const maxParamLength = 500;

/** Makes the Fastify instance of the public listener, without routes. Throws LoadError for TLS files that can't be read. */
export function createApp(settings: ServerConfig): FastifyInstance {
  const options = {
    logger: false,
    trustProxy: settings.trust_proxy.length > 0 ? settings.trust_proxy : false,
    bodyLimit: settings.max_body_bytes,
    requestTimeout: settings.request_timeout_ms,
    keepAliveTimeout: settings.keep_alive_timeout_ms,
    connectionTimeout: 0,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { maxParamLength, ignoreTrailingSlash: false, caseSensitive: true },
  } as const;
  const http = { headersTimeout: settings.headers_timeout_ms, maxHeaderSize: 16_384 };
  return settings.tls
    ? fastify({ ...options, https: { ...http, ...readTls(settings.tls) } })
    : fastify({ ...options, http });
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
  const open = createOpener(gate);
  app.decorateRequest('exchange');
  app.addHook('onRequest', (request, reply, done) => {
    open(request);
    record.watchAbort(request, reply);
    done();
  });
  app.addHook('onSend', (request, reply, _payload, done) => {
    open(request);
    answers.dress(request, reply);
    done();
  });
  // A hook of an app that this one is a part of comes first, and may end a request that has no exchange yet.
  app.addHook('onResponse', (request, reply, done) => {
    open(request);
    record.onResponse(request, reply, done);
  });
  app.setErrorHandler((error, request, reply) => {
    open(request);
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

/** Gives a request its exchange, once. */
function createOpener(gate: Gate): (request: FastifyRequest) => void {
  const makeId = createRequestIds();
  return (request) => {
    if (request.exchange) return;
    const { traceparent, tracestate } = request.headers;
    request.exchange = new Exchange(gate.generation, makeId(), request.ip, single(traceparent), single(tracestate));
    gate.active++;
  };
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' && value.length <= 512 ? value : undefined;
}

function readTls(tls: NonNullable<ServerConfig['tls']>): SecureContextOptions & { requestCert: boolean } {
  return {
    cert: readTlsFile(tls.cert_file, 'cert_file'),
    key: readTlsFile(tls.key_file, 'key_file'),
    ...(tls.client_ca_file !== undefined && { ca: readTlsFile(tls.client_ca_file, 'client_ca_file') }),
    minVersion: tls.min_version,
    // Callers with other credentials come without a certificate; one that does not verify names nobody.
    ...{ requestCert: tls.client_ca_file !== undefined, rejectUnauthorized: false },
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
