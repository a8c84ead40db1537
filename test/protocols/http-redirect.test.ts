import { describe, expect, it } from 'vitest';
import { call, failure, prepare } from '../support/http-call.js';
import { sendJson, startUpstream, type TestUpstream } from '../support/upstream.js';

/** Redirects `/from` to a location and answers everything else with what it was asked. */
function startRedirecting(status: number, location: string | (() => string)): Promise<TestUpstream> {
  return startUpstream((request, response) => {
    if (!request.url.startsWith('/from')) return sendJson(response, request);
    const target = typeof location === 'string' ? location : location();
    return void response.writeHead(status, { location: target }).end();
  });
}

const auth = { auth_type: 'api_key', api_key: 'canary-key', var_name: 'X-Key', location: 'header' };

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])('%i to the same origin is followed, with the credential', async (status) => {
    const upstream = await startRedirecting(status, '../to?x=1');
    const seen = await call(prepare({ url: `${upstream.origin}/from/here`, auth }));
    expect(seen).toMatchObject({ method: 'GET', url: '/to?x=1', headers: { 'x-key': 'canary-key' } });
  });

  it('to another origin is refused, and the credential goes nowhere (GHSA-9qhg-99ww-9mqc)', async () => {
    const internal = await startUpstream((_request, response) => response.end('secret'));
    for (const location of [
      `${internal.origin}/`,
      `//127.0.0.1:${internal.port}/`,
      'http://169.254.169.254/latest/meta-data/',
      'https://127.0.0.1/',
      'http://localhost/',
      'file:///etc/passwd',
      'data:text/plain,x',
    ]) {
      const upstream = await startRedirecting(302, location);
      const error = await failure(prepare({ url: `${upstream.origin}/from`, auth }));
      expect(error.code, location).toBe('upstream_failed');
      expect(error.reason, location).toMatch(/^(redirect_refused|url_|address_)/);
    }
    expect(internal.connections.made).toBe(0);
  });

  it('that holds user info is refused', async () => {
    const upstream = await startRedirecting(302, () => upstream.origin.replace('//', '//user:pass@'));
    expect(await failure(prepare({ url: `${upstream.origin}/from` }))).toMatchObject({ reason: 'url_userinfo' });
  });

  it.each(['http://', 'http://[', 'https://exa mple/'])('to %j, which is no URL, is refused', async (location) => {
    const upstream = await startRedirecting(302, location);
    expect(await failure(prepare({ url: `${upstream.origin}/from` }))).toMatchObject({ code: 'upstream_failed' });
  });

  it('is followed three times and no more', async () => {
    let hops = 0;
    const upstream = await startUpstream((_request, response) => {
      hops++;
      response.writeHead(302, { location: `/${hops}` }).end();
    });
    expect(await failure(prepare({ url: upstream.origin }))).toMatchObject({ reason: 'redirect_loop' });
    expect(hops).toBe(4);
  });

  it.each([
    [301, 'GET', ''],
    [302, 'GET', ''],
    [303, 'GET', ''],
    [307, 'POST', '{"a":1}'],
    [308, 'POST', '{"a":1}'],
  ])('%i turns a POST into %s (RFC 9110 section 15.4)', async (status, method, body) => {
    const upstream = await startRedirecting(status, '/to');
    const prepared = prepare({ url: `${upstream.origin}/from`, http_method: 'POST' }, ['body']);
    const seen = await call(prepared, { body: { a: 1 } });
    expect(seen).toMatchObject({ method, body });
    if (method === 'GET') expect(seen).not.toHaveProperty('headers.content-type');
  });

  it.each([301, 307])('%i keeps a PUT and its body', async (status) => {
    const upstream = await startRedirecting(status, '/to');
    const prepared = prepare({ url: `${upstream.origin}/from`, http_method: 'PUT' }, ['body']);
    expect(await call(prepared, { body: 'x' })).toMatchObject({ method: 'PUT', body: '"x"' });
  });

  it('without a Location is an answer that is no success', async () => {
    const upstream = await startUpstream((_request, response) => response.writeHead(302).end());
    expect(await failure(prepare({ url: upstream.origin }))).toMatchObject({ details: { upstream_status: 302 } });
  });
});
