import type { FastifyReply, FastifyRequest } from 'fastify';
import { codeOf, type ErrorCode, errorKinds, GatehouseError } from '../core/index.js';

/** A problem document (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly request_id: string;
  readonly [extension: string]: unknown;
}

/** What is said where an error has no detail of its own: what happened, and what to do. */
const defaultDetails: Partial<Record<ErrorCode, string>> = {
  unauthenticated: 'Send a credential: Authorization: Bearer, or X-API-Key.',
  invalid_token: 'The credential was not accepted.',
  insufficient_scope: 'The token lacks a scope that this needs.',
  not_permitted: 'This caller may see the tool but not call it this way.',
  not_found: 'There is nothing here for this caller.',
  method_not_allowed: 'Use one of the methods in the Allow header.',
  body_too_large: 'The body is larger than this server takes.',
  request_timeout: 'The request did not come whole in time.',
  headers_too_large: 'The request line and headers are larger than this server takes.',
  upstream_failed: 'The tool could not be run; the request id names the event in the log.',
  upstream_too_large: 'The tool answered more than this server passes on.',
  upstream_unavailable: 'The tool is out of order for now.',
  upstream_timeout: 'The tool did not answer in time.',
  draining: 'The server is shutting down.',
  overloaded: 'The server has more work than it can do; try again.',
  internal: 'Something went wrong here; the request id names it in the log.',
};

/** The document of an error: public text alone, never a stack, a path, an upstream address or a secret. */
export function describeProblem(error: GatehouseError, request_id: string): Problem {
  const { detail, errors, retry_after, required_scope, upstream_status } = error.details;
  return {
    type: `urn:utcp-gatehouse:problem:${error.code}`,
    title: error.title,
    status: error.status,
    detail: detail ?? defaultDetails[error.code] ?? error.title,
    code: error.code,
    request_id,
    ...(errors && { errors }),
    ...(retry_after !== undefined && { retry_after }),
    ...(required_scope !== undefined && { required_scope }),
    ...(upstream_status !== undefined && { upstream_status }),
  };
}

/** Makes a GatehouseError of whatever a hook, a handler or Fastify threw. */
export function toGatehouseError(error: unknown): GatehouseError {
  if (error instanceof GatehouseError) return error;
  const status = readStatus(error);
  if (codeOf(error) === 'FST_ERR_CTP_BODY_TOO_LARGE') return new GatehouseError('body_too_large');
  if (status === 429) return new GatehouseError('rate_limited', { reason: 'per_address', retry_after: 1 });
  const known = status === undefined ? undefined : fromStatus[status];
  if (known) return new GatehouseError(known, { cause: error });
  if (status !== undefined && status >= 400 && status < 500) {
    return new GatehouseError('malformed_request', { detail: 'The request is not well-formed.', cause: error });
  }
  return new GatehouseError('internal', {
    internal: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}

/** What an app around this server refuses by, in its own hooks. */
const fromStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'not_permitted',
  404: 'not_found',
  503: 'overloaded',
};

/** The status that Fastify or a hook gave an error. */
function readStatus(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}

export interface ErrorResponder {
  /** Sends the problem for an error and notes it on the exchange. */
  send(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply;
}

/** `challenge` writes the `WWW-Authenticate` value (RFC 6750); `report` is told of internal errors, for the operator. */
export function createErrorResponder(options: {
  challenge(error: ErrorCode | undefined, scope: string | undefined): string;
  report(error: GatehouseError, request_id: string): void;
}): ErrorResponder {
  return {
    send(request, reply, thrown) {
      const { exchange } = request;
      const error = toGatehouseError(thrown);
      exchange.error ??= error;
      if (error.code === 'internal') options.report(error, exchange.request_id);
      reply.code(errorKinds[error.code].status).header('content-type', 'application/problem+json');
      reply.header('cache-control', 'no-store');
      // Fastify's own word with a body that is too large; HTTP/2 has no such header.
      if (request.raw.httpVersionMajor !== 1) reply.removeHeader('connection');
      if (error.status === 401 || error.code === 'insufficient_scope') {
        const code = error.code === 'unauthenticated' ? undefined : error.code;
        reply.header(
          'www-authenticate',
          options.challenge(code, error.details.needed_scopes?.join(' ') ?? error.details.required_scope),
        );
      }
      if (exchange.limit_headers) reply.headers(exchange.limit_headers);
      if (error.details.retry_after !== undefined) reply.header('retry-after', String(error.details.retry_after));
      if (error.details.allow) reply.header('allow', error.details.allow.join(', '));
      // As bytes: to a text Fastify adds a charset, a parameter that this media type does not have (RFC 9457).
      return reply.send(Buffer.from(JSON.stringify(describeProblem(error, exchange.request_id))));
    },
  };
}
