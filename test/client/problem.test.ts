import { describe, expect, it } from 'vitest';
import { fromGatehouseError, fromProblem } from '../../src/client/errors.js';
import { readProblem } from '../../src/client/problem.js';
import { GatehouseError } from '../../src/core/index.js';

function answer(status: number, document: unknown, retryAfter?: string) {
  const body = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document));
  return { status, content_type: 'application/problem+json', retry_after: retryAfter, body };
}

describe('typed errors', () => {
  it.each<[number, string, string, string]>([
    [400, 'invalid_input', 'InvalidInputError', 'Invalid input'],
    [400, 'path_not_allowed', 'PathNotAllowedError', 'Path not allowed'],
    [413, 'body_too_large', 'InvalidInputError', 'Body too large'],
    [401, 'unauthenticated', 'AuthenticationError', 'Authentication required'],
    [401, 'invalid_token', 'AuthenticationError', 'Invalid credential'],
    [403, 'insufficient_scope', 'PermissionError', 'Insufficient scope'],
    [403, 'caller_blocked', 'PermissionError', 'Caller blocked'],
    [404, 'not_found', 'NotFoundError', 'Not found'],
    [429, 'rate_limited', 'RateLimitedError', 'Rate limit exceeded'],
    [502, 'upstream_failed', 'UpstreamError', 'Upstream failed'],
    [504, 'upstream_timeout', 'UpstreamError', 'Upstream timed out'],
    [503, 'draining', 'UpstreamError', 'Shutting down'],
  ])('%i %s is %s: %s', (status, code, name, title) => {
    const error = fromProblem(readProblem(answer(status, { code, status, title: 'whatever' })));
    expect(error).toMatchObject({ name, status, code, message: title });
  });

  it('carry pointers, the request id, the scope and the wait', () => {
    const errors = [{ pointer: '/title', message: 'is required' }];
    const document = { code: 'invalid_input', errors, request_id: 'r-1', required_scope: 'books:read', retry_after: 7 };
    const error = fromProblem(readProblem(answer(400, document)));
    expect(error.message).toBe('Invalid input: /title is required');
    expect(error.details).toMatchObject({ errors, request_id: 'r-1', required_scope: 'books:read', retry_after: 7 });
  });

  it('another provider speaks by its status, whatever its body', () => {
    expect(fromProblem(readProblem(answer(404, '<html>')))).toMatchObject({ name: 'NotFoundError', code: 'http_404' });
    expect(fromProblem(readProblem(answer(429, '')))).toMatchObject({
      name: 'RateLimitedError',
      message: 'Rate limit exceeded',
    });
    expect(fromProblem(readProblem(answer(418, { title: 'Short and stout' })))).toMatchObject({
      message: 'Short and stout',
    });
  });

  it("a provider's text cannot forge lines on a terminal or grow without end", () => {
    const { message } = fromProblem(readProblem(answer(418, { title: `x\r\n\u001b[31m${'y'.repeat(10_000)}` })));
    expect(message).toMatch(/^x {3}\[31my+$/);
    expect(message.length).toBeLessThan(400);
  });

  it('of the protocol code: a refusal with an answer speaks for itself, one without is a TransportError', () => {
    const upstream = answer(404, { code: 'not_found' });
    expect(fromGatehouseError(new GatehouseError('upstream_failed', { upstream_answer: upstream }))).toMatchObject({
      name: 'NotFoundError',
    });
    expect(
      fromGatehouseError(new GatehouseError('upstream_failed', { reason: 'address_private', internal: 'secret' })),
    ).toMatchObject({
      name: 'TransportError',
      message: 'Upstream failed: address_private',
    });
    expect(fromGatehouseError(new GatehouseError('upstream_too_large'))).toMatchObject({ name: 'UpstreamError' });
  });
});
