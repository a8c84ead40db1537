import { once } from 'node:events';
import { request } from 'node:http';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { request as tlsRequest } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type Identity, issueCertificate, makeAuthority, writeFiles } from '../support/certificates.js';
import { describeFeed, type Feed, startFeed } from '../support/feed.js';
import { endSession, whenNothingIsRead } from '../support/http2.js';
import { exchangeRaw, openRaw } from '../support/raw.js';
import { bearer, keyEntry, startServer, type TestServer } from '../support/server.js';

const callers = [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }];
const times = { headers_timeout_ms: 400, request_timeout_ms: 900, stall_timeout_ms: 500 };

let feed: Feed;
let clear: TestServer;
let secure: TestServer;
let authority: Identity;
let client: Identity;
let files: ReturnType<typeof writeFiles>;
beforeAll(async () => {
  feed = await startFeed();
  authority = await makeAuthority();
  client = await issueCertificate(authority, ['machine']);
  const { cert, key } = await issueCertificate(authority, ['localhost', '127.0.0.1']);
  files = writeFiles({ 'tls.crt': cert, 'tls.key': key, 'ca.pem': authority.cert });
  const tls = {
    cert_file: `${files.dir}/tls.crt`,
    key_file: `${files.dir}/tls.key`,
    client_ca_file: `${files.dir}/ca.pem`,
  };
  const machine = { id: 'machine', roles: ['agent'], certificate: { san: 'DNS:machine' } };
  clear = await startServer(describeFeed(feed.origin, { callers, server: { http2: true, ...times } }));
  secure = await startServer(
    describeFeed(feed.origin, { callers: [...callers, machine], server: { http2: true, tls, ...times } }),
  );
});
afterAll(async () => {
  await clear?.close();
  await secure?.close();
  await feed?.close();
  files?.remove();
});

const portOf = ({ url }: TestServer) => Number(new URL(url).port);

function open(server: TestServer, options: { cert?: string; key?: string } = {}): ClientHttp2Session {
  const session = connect(server.url, { ca: authority.cert, ...options });
  session.on('error', () => undefined);
  onTestFinished(() => endSession(session));
  return session;
}

interface Answer {
  readonly headers: Record<string, unknown>;
  readonly text: string;
}

async function ask(session: ClientHttp2Session, headers: Record<string, string>, body?: string): Promise<Answer> {
  const stream = session.request({ ...bearer('k'), ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
  const [answered] = await once(stream, 'response');
  let text = '';
  for await (const chunk of stream.setEncoding('utf8')) text += chunk;
  return { headers: answered, text };
}

const post = { ':method': 'POST', ':path': '/tools/feed/create_item', 'content-type': 'application/json' };

describe.each([
  ['h2 by ALPN', () => secure],
  ['h2c by prior knowledge', () => clear],
])('%s', (_name, server) => {
  it('serves the manual and calls, several at once on one connection, each with its event', async () => {
    const session = open(server());
    const body = JSON.stringify({ item: { title: 'é' } });
    const [manual, ...calls] = await Promise.all([
      ask(session, { ':path': '/utcp' }),
      ...[1, 2, 3].map(() => ask(session, post, body)),
    ]);
    expect(JSON.parse(manual.text).tools).toHaveLength(4);
    for (const { headers, text } of calls) {
      expect([headers[':status'], JSON.parse(text).body]).toEqual([200, '{"title":"é"}']);
      const events = () =>
        server()
          .sink.about(String(headers['x-request-id']))
          .filter(({ event }) => event !== 'auth.success');
      await expect.poll(events).toMatchObject([{ event: 'tool.call', outcome: 'success', address: '127.0.0.1' }]);
    }
  });

  it('refuses as HTTP/1.1 does', async () => {
    const session = open(server());
    const statuses = await Promise.all([
      ask(session, { ':path': '/utcp', authorization: 'Bearer wrong' }),
      ask(session, { ':path': '/tools/feed/none' }),
      ask(session, post, '{'),
      ask(session, { ...post, 'content-length': '2000000' }, 'x'.repeat(2_000_000)).catch(() => undefined),
    ]);
    expect(statuses.slice(0, 3).map((answer) => answer?.headers[':status'])).toEqual([401, 404, 400]);
    expect(statuses[0]?.headers['content-type']).toBe('application/problem+json');
    expect([413, undefined]).toContain(statuses[3]?.headers[':status']);
  });

  it('ends the upstream and leaves one event when a call or a stream is aborted', async () => {
    const session = open(server());
    const before = server().sink.of('tool.call').length;
    const stream = session.request({ ':path': '/tools/feed/watch', accept: 'text/event-stream', ...bearer('k') });
    stream.on('error', () => undefined);
    const [first] = await once(stream.setEncoding('utf8'), 'data');
    expect(first).toBe('data: {"n":1}\n\n');
    const call = session.request({ ':method': 'POST', ':path': '/tools/feed/slow', ...bearer('k') });
    call.on('error', () => undefined).end();
    await expect.poll(() => server().server.gate.calls.size).toBe(1);
    await whenNothingIsRead();
    stream.close(constants.NGHTTP2_CANCEL);
    call.close(constants.NGHTTP2_CANCEL);
    await expect.poll(() => server().sink.of('tool.call').length).toBe(before + 2);
    const other = open(server());
    const lost = other.request({ ':method': 'POST', ':path': '/tools/feed/slow', ...bearer('k') });
    lost.on('error', () => undefined).end();
    await expect.poll(() => server().server.gate.calls.size).toBe(1);
    await endSession(other);
    await expect.poll(() => feed.streams.size).toBe(0);
    await expect.poll(() => server().sink.of('tool.call').length).toBe(before + 3);
    const reasons = server().sink.of('tool.call').slice(before);
    expect(reasons.map(({ reason }) => reason)).toEqual(['client_aborted', 'client_aborted', 'client_aborted']);
    expect(server().server.gate.active).toBe(0);
  });

  it('cuts a request whose body does not come in time', async () => {
    const session = open(server());
    const stream = session.request({ ...post, ...bearer('k') });
    stream.on('error', () => undefined);
    stream.write('{');
    await once(stream, 'close');
    expect(stream.rstCode).not.toBe(constants.NGHTTP2_NO_ERROR);
    await expect.poll(() => server().server.gate.active).toBe(0);
  });

  it('is held to the same header size', async () => {
    const session = open(server());
    const { headers, text } = await ask(session, { ':path': '/livez', 'x-big': 'x'.repeat(17_000) });
    expect(headers[':status']).toBe(431);
    expect(JSON.parse(text)).toMatchObject({ code: 'headers_too_large' });
  });

  it('leaves HTTP/1.1 and its websockets on the same port', async () => {
    const { url } = server();
    const send = url.startsWith('https') ? tlsRequest : request;
    const [response] = await once(send(`${url}/livez`, { ca: authority.cert }).end(), 'response');
    expect([response.statusCode, response.httpVersion]).toEqual([200, '1.1']);
    const socket = new WebSocket(`${url.replace('http', 'ws')}/tools/feed/get_item/ws`, {
      ca: authority.cert,
      headers: bearer('k'),
    });
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    socket.send('{"arguments":{"id":"1"}}');
    expect(String((await once(socket, 'message'))[0])).toContain('/items/1');
  });
});

describe('HTTP/2 in particular', () => {
  it('knows a caller by the client certificate of its connection', async () => {
    const session = open(secure, { cert: client.cert, key: client.key });
    const stream = session.request({ ':path': '/utcp' });
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(200);
    const events = () =>
      secure.sink.about(String(headers['x-request-id'])).filter(({ event }) => event !== 'auth.success');
    await expect.poll(events).toMatchObject([{ event: 'manual.served', caller: 'machine' }]);
  });

  it('is not spoken unless it is configured', async () => {
    const plain = await startServer(describeFeed(feed.origin, { callers, server: times }));
    onTestFinished(() => plain.close());
    const answer = await exchangeRaw(portOf(plain), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  });

  it('cuts a connection that says nothing, or begins and goes no further', async () => {
    await exchangeRaw(portOf(clear), '');
    await exchangeRaw(portOf(clear), 'PR');
    await exchangeRaw(portOf(clear), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const socket = connectTls({ port: portOf(secure), ca: authority.cert, ALPNProtocols: ['h2'] });
    socket.on('error', () => undefined).resume();
    await once(socket, 'close');
  });

  it('tells its clients to go elsewhere when the server goes, and answers what they have sent', async () => {
    const going = await startServer(describeFeed(feed.origin, { callers, server: { http2: true } }));
    const session = open(going);
    const slow = ask(session, { ':method': 'POST', ':path': '/tools/feed/slow' }, '');
    await expect.poll(() => going.server.gate.calls.size).toBe(1);
    const told = once(session, 'goaway');
    const closed = going.close();
    await told;
    expect((await slow).headers[':status']).toBe(200);
    await closed;
  });

  it('in the clear takes a request of HTTP/1.1 that comes in pieces', async () => {
    const { socket, text } = await openRaw(portOf(clear), 'G');
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.write('ET /livez HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(text).toMatch(/^HTTP\/1\.1 200 /);
  });
});
