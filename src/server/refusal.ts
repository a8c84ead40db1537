import { randomUUID } from 'node:crypto';
import { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatehouseError } from '../core/index.js';
import { describeProblem } from '../routes/errors.js';

/** What HTTP itself is refused for, before there is a request that hooks could see. */
const kinds = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 'Request Timeout', error: () => new GatehouseError('request_timeout') },
  HPE_HEADER_OVERFLOW: {
    status: 'Request Header Fields Too Large',
    error: () => new GatehouseError('headers_too_large'),
  },
} as const;

const malformed = {
  status: 'Bad Request',
  error: () => new GatehouseError('malformed_request', { detail: 'This is no HTTP request that is understood here.' }),
};

/** Answers what the HTTP parser refused, or was too slow, and closes the connection. */
export function createClientErrorHandler(makeId: () => string) {
  return function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
    const current = '_httpMessage' in socket ? socket._httpMessage : undefined;
    const isAnswered = current instanceof ServerResponse && current.headersSent;
    // Words in the middle of an answer would be taken for a part of it.
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswered) {
      socket.destroy(error);
      return;
    }
    const kind = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' || error.code === 'HPE_HEADER_OVERFLOW' ? error.code : '';
    const { status, error: makeError } = kind === '' ? malformed : kinds[kind];
    const refusal = makeError();
    const body = JSON.stringify(describeProblem(refusal, makeId()));
    const head = [
      `HTTP/1.1 ${refusal.status} ${status}`,
      'Content-Type: application/problem+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      'Connection: close',
    ];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
  };
}

/** The answer to headers that are too large, of a request that no hook sees. */
export function writeHeadersRefusal() {
  const refusal = new GatehouseError('headers_too_large');
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  return { status: refusal.status, headers, body: JSON.stringify(describeProblem(refusal, randomUUID())) };
}

/** Answers a URL that the router can't read. No hook runs for it: there is neither an exchange nor an event. */
export function createUrlRefuser(makeId: () => string) {
  return function refuseUrl(error: { readonly code: string }, _request: FastifyRequest, reply: FastifyReply): void {
    const refusal =
      error.code === 'FST_ERR_MAX_PARAM_LENGTH'
        ? new GatehouseError('not_found')
        : new GatehouseError('malformed_request', { detail: 'The URL is not well-formed.' });
    const body = JSON.stringify(describeProblem(refusal, makeId()));
    reply.raw.writeHead(refusal.status, { 'content-type': 'application/problem+json', 'cache-control': 'no-store' });
    reply.raw.end(body);
  };
}
