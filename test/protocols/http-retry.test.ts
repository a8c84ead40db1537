import { describe, expect, it } from 'vitest';
import { backoffMs, isIdempotent, isRetryableStatus, parseRetryAfter } from '../../src/protocols/retry.js';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { sendJson, startUpstream, type TestUpstream } from '../support/upstream.js';

/** Answers with each status in turn, then 200. */
function startFailing(statuses: readonly number[], headers: Record<string, string> = {}): Promise<TestUpstream> {
  let asked = 0;
  return startUpstream((_request, response) => {
    const status = statuses[asked++];
    if (status === undefined) sendJson(response, 'done');
    else if (status === 0) response.destroy();
    else response.writeHead(status, headers).end('no');
  });
}

describe('retries', () => {
  it.each(['GET', 'PUT', 'DELETE'])('%s is tried again after 502, 503, 504 and a broken connection', async (method) => {
    const upstream = await startFailing([503, 0]);
    expect(await call(prepare({ url: upstream.origin, http_method: method }))).toBe('done');
    expect(upstream.requests).toHaveLength(3);
  });

  it.each(['POST', 'PATCH'])('%s is never tried again', async (method) => {
    for (const status of [503, 0]) {
      const upstream = await startFailing([status]);
      const error = await failure(prepare({ url: upstream.origin, http_method: method }));
      expect(error.code).toBe('upstream_failed');
      expect(upstream.requests).toHaveLength(1);
    }
  });

  it.each([400, 401, 404, 429, 500])('%i is not tried again', async (status) => {
    const upstream = await startFailing([status]);
    expect(await failure(prepare({ url: upstream.origin }))).toMatchObject({ details: { upstream_status: status } });
    expect(upstream.requests).toHaveLength(1);
  });

  it('are bounded by max_retries', async () => {
    const upstream = await startFailing([503, 502, 504, 503]);
    const settings = { allow_private_hosts: ['127.0.0.1'], max_retries: 1 };
    expect(await failure(prepare({ url: upstream.origin }, [], { settings }))).toMatchObject({
      details: { upstream_status: 502 },
    });
    expect(upstream.requests).toHaveLength(2);
    const once = await startFailing([503]);
    const none = { ...settings, max_retries: 0 };
    expect(await failure(prepare({ url: once.origin }, [], { settings: none }))).toMatchObject({
      code: 'upstream_failed',
    });
    expect(once.requests).toHaveLength(1);
  });

  it('send the same request again, body included', async () => {
    const upstream = await startFailing([503]);
    await call(prepare({ url: `${upstream.origin}/x?a=1`, http_method: 'PUT' }, ['body']), { body: { b: 1 } });
    expect(upstream.requests[1]).toEqual(upstream.requests[0]);
    expect(upstream.requests[1]?.body).toBe('{"b":1}');
  });

  it('wait as Retry-After says, within the deadline', async () => {
    const upstream = await startFailing([503], { 'retry-after': '1' });
    const begun = performance.now();
    expect(await call(prepare({ url: upstream.origin }))).toBe('done');
    expect(performance.now() - begun).toBeGreaterThanOrEqual(950);
  });

  it('do not wait for a Retry-After beyond the deadline: the refusal is given at once, with its wait', async () => {
    const upstream = await startFailing([503], { 'retry-after': '60' });
    const begun = performance.now();
    const error = await failure(prepare({ url: upstream.origin }), {}, makeScope(2000));
    expect(error.details).toMatchObject({ upstream_status: 503, retry_after: 60 });
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(upstream.requests).toHaveLength(1);
  });

  it('end at once when the caller goes away meanwhile', async () => {
    const upstream = await startFailing([503], { 'retry-after': '3' });
    const scope = makeScope();
    setTimeout(() => scope.cancel('client_aborted'), 100);
    const begun = performance.now();
    expect(await failure(prepare({ url: upstream.origin }), {}, scope)).toMatchObject({ code: 'client_aborted' });
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it('connect again when an upstream comes back', async () => {
    const gone = await startUpstream((_request, response) => response.end());
    await gone.close();
    const { registry, reports } = makeRegistry();
    const prepared = prepare({ url: gone.origin }, [], {}, registry);
    expect(await failure(prepared)).toMatchObject({ code: 'upstream_failed', reason: 'connect_refused' });
    await startUpstream((_request, response) => sendJson(response, 'back'), undefined, gone.port);
    expect(await call(prepared)).toBe('back');
    expect(reports.map((report) => report.kind)).toEqual(['failed', 'recovered']);
  });
});

describe('the retry rules', () => {
  it('know idempotent methods and gateway statuses', () => {
    expect(['GET', 'PUT', 'DELETE', 'HEAD'].every(isIdempotent)).toBe(true);
    expect(['POST', 'PATCH', 'CONNECT'].some(isIdempotent)).toBe(false);
    expect([502, 503, 504].every(isRetryableStatus)).toBe(true);
    expect([200, 301, 400, 429, 500, 501, 505].some(isRetryableStatus)).toBe(false);
  });

  it('double the wait up to 5 s, spread from nothing to all of it', () => {
    expect([0, 1, 2, 10, 100].map((attempt) => backoffMs(attempt, () => 1))).toEqual([100, 200, 400, 5000, 5000]);
    expect(backoffMs(5, () => 0)).toBe(0);
  });

  it('read Retry-After as seconds or as a date (RFC 9110 section 10.2.3)', () => {
    const now = Date.parse('Wed, 21 Oct 2015 07:28:00 GMT');
    expect(parseRetryAfter('120', now)).toBe(120_000);
    expect(parseRetryAfter('Wed, 21 Oct 2015 07:28:10 GMT', now)).toBe(10_000);
    expect(parseRetryAfter('Wed, 21 Oct 2015 07:27:00 GMT', now)).toBe(0);
    for (const value of [undefined, '', '-1', '1.5', 'soon', '99999999999']) {
      expect(parseRetryAfter(value, now)).toBeUndefined();
    }
  });
});
