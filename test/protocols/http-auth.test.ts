import { describe, expect, it } from 'vitest';
import { type Json, LoadError } from '../../src/core/index.js';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { sendJson, startUpstream, type TestUpstream } from '../support/upstream.js';

function startEcho(): Promise<TestUpstream> {
  return startUpstream((request, response) => sendJson(response, request));
}

const variables = { API_KEY: 'k-1', API_ID: 'id', API_SECRET: 's&cret' };

describe('credentials for an upstream', () => {
  it.each<[string, Json, object]>([
    [
      'in a header',
      { auth_type: 'api_key', api_key: 'Bearer ${API_KEY}', var_name: 'Authorization' },
      { headers: { authorization: 'Bearer k-1' } },
    ],
    ['in UTCP’s own header', { auth_type: 'api_key', api_key: '${API_KEY}' }, { headers: { 'x-api-key': 'k-1' } }],
    [
      'in the query',
      { auth_type: 'api_key', api_key: '${API_SECRET}', var_name: 'k', location: 'query' },
      { url: '/?k=s%26cret' },
    ],
    [
      'in a cookie',
      { auth_type: 'api_key', api_key: '${API_KEY}', var_name: 'sid', location: 'cookie' },
      { headers: { cookie: 'sid=k-1' } },
    ],
    [
      'by Basic',
      { auth_type: 'basic', username: '${API_ID}', password: 'pä:ss' },
      { headers: { authorization: `Basic ${Buffer.from('id:pä:ss').toString('base64')}` } },
    ],
  ])('are sent %s', async (_name, auth, expected) => {
    const upstream = await startEcho();
    expect(await call(prepare({ url: upstream.origin, auth }, [], { variables }))).toMatchObject(expected);
  });

  it('come from the configuration where the template has none, and the template’s own win', async () => {
    const upstream = await startEcho();
    const settings = { upstream_auth: { auth_type: 'api_key', api_key: '${API_KEY}', var_name: 'X-Config' } };
    const options = { variables, settings: { ...settings, allow_private_hosts: ['127.0.0.1'] } };
    expect(await call(prepare({ url: upstream.origin }, [], options))).toMatchObject({
      headers: { 'x-config': 'k-1' },
    });
    const auth = { auth_type: 'api_key', api_key: 'own', var_name: 'X-Own' };
    const own = await call(prepare({ url: upstream.origin, auth }, [], options));
    expect(own).toMatchObject({ headers: { 'x-own': 'own' } });
    expect(own).not.toHaveProperty('headers.x-config');
  });

  it('win over an authored header of the same name, and no argument may set it', async () => {
    const upstream = await startEcho();
    const auth = { auth_type: 'api_key', api_key: 'real', var_name: 'X-Key' };
    const seen = await call(prepare({ url: upstream.origin, auth, headers: { 'x-KEY': 'authored' } }));
    expect(seen).toMatchObject({ headers: { 'x-key': 'real' } });
    expect(() => prepare({ url: upstream.origin, auth, header_fields: ['x-key'] }, ['x-key'])).toThrow(/not a caller/);
  });

  it('take no argument: a placeholder is a variable or text', async () => {
    const upstream = await startEcho();
    const auth = { auth_type: 'api_key', api_key: '{id}', var_name: 'X-Key' };
    expect(await call(prepare({ url: upstream.origin, auth }, ['id']), { id: 'mine' })).toMatchObject({
      headers: { 'x-key': '{id}' },
    });
    const variable = { ...auth, api_key: '${id}' };
    expect(() => prepare({ url: upstream.origin, auth: variable }, ['id'])).toThrow(/Variable id is not allowed/);
  });

  it.each<[string, Json]>([
    ['a missing variable', { auth_type: 'api_key', api_key: '${API_NONE}' }],
    ['a line break', { auth_type: 'api_key', api_key: 'canary\r\nx: y' }],
    ['a header of the connection', { auth_type: 'api_key', api_key: 'canary', var_name: 'Host' }],
    ['a bad cookie', { auth_type: 'api_key', api_key: 'canary; x=y', var_name: 'a', location: 'cookie' }],
    ['a colon in a user name', { auth_type: 'basic', username: 'canary:x', password: 'p' }],
  ])('that cannot be sent (%s) fail the load, without a value in the message', (_name, auth) => {
    const run = () => prepare({ url: 'http://127.0.0.1:1/', auth }, [], { variables });
    expect(run).toThrow(LoadError);
    expect(run).not.toThrow(/canary/);
  });

  it('of the configuration that have a wrong shape fail the load', () => {
    const settings = { upstream_auth: { auth_type: 'api_key' }, allow_private_hosts: ['127.0.0.1'] };
    expect(() => prepare({ url: 'http://127.0.0.1:1/' }, [], { settings })).toThrow(LoadError);
  });
});

interface TokenServer {
  readonly upstream: TestUpstream;
  readonly issued: string[];
  readonly auth: Json;
}

/** An upstream with a token endpoint at `/token`, whose tokens are `t-1`, `t-2` and so on. */
async function startTokenServer(
  options: { expiresIn?: number; inBodyOnly?: boolean; answer?: string; accepts?: (token: string) => boolean } = {},
): Promise<TokenServer> {
  const issued: string[] = [];
  const upstream = await startUpstream((request, response) => {
    if (request.url !== '/token') {
      const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
      return sendJson(response, { token }, issued.includes(token) && (options.accepts?.(token) ?? true) ? 200 : 401);
    }
    if (options.inBodyOnly && !request.body.includes('client_secret=s%26cret')) return sendJson(response, {}, 401);
    if (options.answer !== undefined) return void response.end(options.answer);
    issued.push(`t-${issued.length + 1}`);
    const token = { access_token: issued.at(-1), token_type: 'Bearer', expires_in: options.expiresIn ?? 3600 };
    return sendJson(response, token);
  });
  const grant = { auth_type: 'oauth2', client_id: '${API_ID}', client_secret: '${API_SECRET}', scope: 'a b' };
  return { upstream, issued, auth: { ...grant, token_url: `${upstream.origin}/token` } };
}

describe('oauth2 for an upstream', () => {
  it('asks with Basic and a form (RFC 6749 section 4.4), and sends the token', async () => {
    const { upstream, auth } = await startTokenServer();
    expect(await call(prepare({ url: upstream.origin, auth }, [], { variables }))).toEqual({ token: 't-1' });
    expect(upstream.requests[0]).toMatchObject({
      method: 'POST',
      body: 'grant_type=client_credentials&scope=a+b',
      headers: { authorization: `Basic ${Buffer.from('id:s%26cret').toString('base64')}` },
    });
  });

  it('shares one token between concurrent calls, later calls and tools', async () => {
    const { upstream, auth, issued } = await startTokenServer();
    const { registry } = makeRegistry();
    const one = prepare({ url: `${upstream.origin}/1`, auth }, [], { variables }, registry);
    const two = prepare({ url: `${upstream.origin}/2`, auth }, [], { variables }, registry);
    await Promise.all(Array.from({ length: 20 }, (_, index) => call(index % 2 ? one : two)));
    await call(one);
    expect(issued).toEqual(['t-1']);
  });

  it('asks anew before a token ends', async () => {
    const { upstream, auth, issued } = await startTokenServer({ expiresIn: 10 });
    const prepared = prepare({ url: upstream.origin, auth }, [], { variables });
    await call(prepared);
    await call(prepared);
    expect(issued).toEqual(['t-1', 't-2']);
  });

  it('renews once a token that the upstream has revoked', async () => {
    const { upstream, auth, issued } = await startTokenServer({ accepts: (token) => token !== 't-1' });
    const prepared = prepare({ url: upstream.origin, auth, http_method: 'POST' }, [], { variables });
    expect(await call(prepared)).toEqual({ token: 't-2' });
    expect(issued).toEqual(['t-1', 't-2']);
    const never = await startTokenServer({ accepts: () => false });
    const refused = prepare({ url: never.upstream.origin, auth: never.auth }, [], { variables });
    expect(await failure(refused)).toMatchObject({ details: { upstream_status: 401 } });
    expect(never.issued).toEqual(['t-1', 't-2']);
  });

  it('sends the credentials in the body to a server that wants them there', async () => {
    const { upstream, auth, issued } = await startTokenServer({ inBodyOnly: true });
    expect(await call(prepare({ url: upstream.origin, auth }, [], { variables }))).toEqual({ token: 't-1' });
    expect(issued).toEqual(['t-1']);
  });

  it.each([
    '',
    'no',
    '{}',
    '{"access_token":""}',
    '{"access_token":"a\\r\\nx: y"}',
    '{"access_token":"a","token_type":"mac"}',
  ])('fails the call when the token endpoint answers %j', async (answer) => {
    const { upstream, auth } = await startTokenServer({ answer });
    const error = await failure(prepare({ url: upstream.origin, auth }, [], { variables }));
    expect(error).toMatchObject({ code: 'upstream_failed', reason: 'token_refused' });
    expect(upstream.requests.filter((request) => request.url !== '/token')).toEqual([]);
  });

  it('tells the token endpoint that is away from the upstream that is not', async () => {
    const gone = await startUpstream(() => undefined);
    await gone.close();
    const upstream = await startEcho();
    const { registry, reports } = makeRegistry();
    const auth = { auth_type: 'oauth2', client_id: 'a', client_secret: 'b', token_url: `${gone.origin}/token` };
    const prepared = prepare({ url: upstream.origin, auth }, [], {}, registry);
    expect(await failure(prepared)).toMatchObject({ code: 'upstream_failed', reason: 'connect_refused' });
    const name = `127.0.0.1:${gone.port}`;
    expect(reports).toEqual([{ kind: 'failed', upstream: name, reason: 'connect_refused' }]);
  });

  it('goes on fetching a token for the others when the caller who asked first goes away', async () => {
    let answer: (() => void) | undefined;
    const upstream = await startUpstream((request, response) => {
      if (request.url !== '/token') return sendJson(response, 'done');
      answer = () => sendJson(response, { access_token: 'late', expires_in: 60 });
    });
    const auth = { auth_type: 'oauth2', client_id: 'a', client_secret: 'b', token_url: `${upstream.origin}/token` };
    const prepared = prepare({ url: upstream.origin, auth });
    const leaving = makeScope();
    const first = failure(prepared, {}, leaving);
    const second = call(prepared);
    await expect.poll(() => answer).toBeDefined();
    leaving.cancel('client_aborted');
    expect(await first).toMatchObject({ code: 'client_aborted' });
    answer?.();
    expect(await second).toBe('done');
  });
});
