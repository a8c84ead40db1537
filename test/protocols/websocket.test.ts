import { afterEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import type { CallTemplate, JsonObject } from '../../src/core/index.js';
import { CallScope, LoadError } from '../../src/core/index.js';
import { makeBinding } from '../support/binding.js';
import { issueCertificate, makeAuthority, writeFiles } from '../support/certificates.js';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { eventually } from '../support/processes.js';
import { countResources, expectNothingLeft } from '../support/resources.js';
import { cancelAfter, failureOf, openStream, readStream, runMany } from '../support/stream.js';
import { sendJson, startUpstream } from '../support/upstream.js';
import {
  startWebsocketUpstream,
  type WebsocketUpstream,
  type WebsocketUpstreamOptions,
} from '../support/websocket-upstream.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(onClient: (client: WebSocket) => void, options: WebsocketUpstreamOptions = {}) {
  const upstream = await startWebsocketUpstream(onClient, options);
  cleanups.push(() => upstream.close());
  return upstream;
}

/** Answers each message with what `reply` makes of it. */
function answering(reply: (text: string, client: WebSocket) => void) {
  return (client: WebSocket) => client.on('message', (data) => reply(String(data), client));
}

const echo = answering((text, client) => client.send(text));

function ws(upstream: WebsocketUpstream, more: Omit<CallTemplate, 'call_template_type'> = {}): CallTemplate {
  return { call_template_type: 'websocket', url: `ws://127.0.0.1:${upstream.port}/ws`, ...more };
}

describe('the websocket protocol, bridged to one request and one answer', () => {
  it('sends the arguments as JSON and answers with the message that comes back', async () => {
    const upstream = await start(echo);
    expect(await call(prepare(ws(upstream), ['a', 'b']), { a: 'é', b: [1] })).toEqual({ a: 'é', b: [1] });
  });

  it('sends the message of the template and each argument to one place', async () => {
    const upstream = await start(echo);
    const template = ws(upstream, {
      url: `ws://127.0.0.1:${upstream.port}/rooms/{room}?v=1`,
      header_fields: ['X-Tenant'],
      message: { type: 'ask', data: '{data}', room: 'UTCP_ARG_room_UTCP_ARG' },
    });
    const prepared = prepare(template, ['room', 'data', 'X-Tenant']);
    expect(await call(prepared, { room: 'a/b', data: { n: 1 }, 'X-Tenant': 'acme' })).toEqual({
      type: 'ask',
      data: { n: 1 },
      room: 'a/b',
    });
    expect(upstream.handshakes[0]).toMatchObject({ url: '/rooms/a%2Fb?v=1', headers: { 'x-tenant': 'acme' } });
  });

  it('keeps arguments that have a place in the URL out of a message without a template', async () => {
    const upstream = await start(echo);
    const prepared = prepare(ws(upstream, { url: `ws://127.0.0.1:${upstream.port}/{room}` }), ['room', 'n']);
    expect(await call(prepared, { room: 'x', n: 1 })).toEqual({ n: 1 });
    expect(upstream.handshakes[0]?.url).toBe('/x');
  });

  it('warns at load of an input that the template sends nowhere', async () => {
    const upstream = await start(echo);
    const inputs = { type: 'object', properties: { used: {}, lost: {} } } satisfies JsonObject;
    const binding = makeBinding({ inputs });
    makeRegistry().registry.prepareTool(ws(upstream, { message: { a: '{used}' } }), binding);
    expect(binding.notices.filter(({ rule }) => rule === 'argument-unused')).toMatchObject([
      { severity: 'warning', message: expect.stringContaining('lost') },
    ]);
  });

  it.each([
    ['auto', undefined, 'hello', 'hello'],
    ['auto, JSON', undefined, '{"a":1}', { a: 1 }],
    ['json', 'json', '{"a":1}', { a: 1 }],
    ['text', 'text', '{"a":1}', '{"a":1}'],
    ['raw', 'raw', 'hello', 'hello'],
  ])('reads the answer by response_format: %s', async (_name, response_format, message, wanted) => {
    const upstream = await start(answering((_text, client) => client.send(message)));
    expect(await call(prepare(ws(upstream, response_format ? { response_format } : {})))).toEqual(wanted);
  });

  it('refuses an answer that is not JSON where the template says json', async () => {
    const upstream = await start(answering((_text, client) => client.send('hello')));
    expect(await failure(prepare(ws(upstream, { response_format: 'json' })))).toMatchObject({
      code: 'upstream_invalid',
      reason: 'not_json',
    });
  });

  it('hands a binary message on as base64', async () => {
    const upstream = await start(answering((_text, client) => client.send(Buffer.from([0, 255]))));
    expect(await call(prepare(ws(upstream)))).toEqual({ base64: 'AP8=' });
  });

  it('collects as many messages as the template expects, or all until the upstream closes', async () => {
    const upstream = await start(
      answering((_text, client) => {
        for (const n of [1, 2, 3]) client.send(String(n));
        client.close(1000);
      }),
    );
    expect(await call(prepare(ws(upstream, { expected_responses: 2 })))).toEqual([1, 2]);
    expect(await call(prepare(ws(upstream, { expected_responses: -1 })))).toEqual([1, 2, 3]);
    expect(await failure(prepare(ws(upstream, { expected_responses: 4 })))).toMatchObject({
      code: 'upstream_failed',
      reason: 'closed_early',
    });
  });

  it('streams the messages as they come', async () => {
    const upstream = await start(
      answering((_text, client) => {
        client.send('1');
        setTimeout(() => client.send('2'), 50);
      }),
    );
    const iterator = openStream(prepare(ws(upstream, { expected_responses: -1 })));
    expect(await iterator.next()).toMatchObject({ value: { data: '1' } });
    expect(await iterator.next()).toMatchObject({ value: { data: '2' } });
    await iterator.return?.();
    await expect.poll(() => upstream.open).toBe(0);
  });

  it('ends after max_events messages, and reports the flood', async () => {
    const upstream = await start(
      answering((_text, client) => {
        const send = () => client.readyState === client.OPEN && client.send('1', () => setImmediate(send));
        send();
      }),
    );
    const { registry, reports } = makeRegistry();
    const prepared = prepare(ws(upstream, { expected_responses: -1, max_events: 3 }), [], {}, registry);
    expect(await readStream(prepared)).toHaveLength(3);
    expect(reports).toContainEqual(expect.objectContaining({ kind: 'flooding', reason: 'max_events' }));
  });
});

describe("the guide's list for websockets", () => {
  it('uses WSS (secure WebSocket) only: ws to any host but a loopback literal is refused at load', () => {
    for (const url of ['ws://api.example.com/', 'ws://10.0.0.1/', 'http://127.0.0.1/', 'https://api.example.com/']) {
      const binding = makeBinding({ settings: { allow_private_hosts: ['api.example.com', '10.0.0.1', '127.0.0.1'] } });
      expect(() => makeRegistry().registry.prepareTool({ call_template_type: 'websocket', url }, binding)).toThrowError(
        LoadError,
      );
    }
  });

  it('uses WSS (secure WebSocket) only: the certificate of the upstream is checked', async () => {
    const authority = await makeAuthority();
    const upstream = await start(echo, { identity: await issueCertificate(authority, ['127.0.0.1']) });
    const other = await start(echo, { identity: await issueCertificate(authority, ['other.example']) });
    const at = ({ port }: WebsocketUpstream) => ({ call_template_type: 'websocket', url: `wss://127.0.0.1:${port}/` });
    expect(await failure(prepare(at(upstream)))).toMatchObject({ code: 'upstream_failed', reason: 'tls_failed' });
    const files = writeFiles({ 'ca.pem': authority.cert });
    const options = { base_dir: files.dir, settings: { tls: { ca_file: 'ca.pem' } } };
    expect(await call(prepare(at(upstream), ['n'], options), { n: 1 })).toEqual({ n: 1 });
    expect(await failure(prepare(at(other), ['n'], options))).toMatchObject({ reason: 'tls_failed' });
    files.remove();
  });

  it('validates Origin headers: the template says the Origin that is sent, and no caller does', async () => {
    const upstream = await start(echo);
    await call(prepare(ws(upstream, { headers: { Origin: 'https://trusted.example' } })));
    expect(upstream.handshakes[0]?.headers.origin).toBe('https://trusted.example');
  });

  it('authenticates: header, query and OAuth2, whose token is renewed once when it is refused', async () => {
    const upstream = await start(echo);
    const variables = { variables: { API_KEY: 's3cret' } };
    const key = { auth_type: 'api_key', api_key: `Bearer \${API_KEY}`, var_name: 'Authorization', location: 'header' };
    await call(prepare(ws(upstream, { auth: key }), [], variables));
    await call(
      prepare(
        ws(upstream, { auth: { ...key, api_key: `\${API_KEY}`, var_name: 'k', location: 'query' } }),
        [],
        variables,
      ),
    );
    expect(upstream.handshakes.map(({ url, headers }) => [url, headers.authorization])).toEqual([
      ['/ws', 'Bearer s3cret'],
      ['/ws?k=s3cret', undefined],
    ]);

    let issued = 0;
    const issuer = await startUpstream((_request, response) =>
      sendJson(response, { access_token: `t${++issued}`, token_type: 'Bearer' }),
    );
    const guarded = await startWebsocketUpstream(echo, {
      authorize: ({ headers }) => headers.authorization === 'Bearer t2',
    });
    cleanups.push(() => guarded.close());
    const auth = { auth_type: 'oauth2', token_url: `${issuer.origin}/token`, client_id: 'c', client_secret: 's' };
    expect(await call(prepare(ws(guarded, { auth }), ['n']), { n: 1 })).toEqual({ n: 1 });
    expect(issued).toBe(2);
  });

  it('implements connection timeouts', async () => {
    const upstream = await startUpstream(() => undefined);
    const template = {
      call_template_type: 'websocket',
      url: `ws://127.0.0.1:${upstream.port}/`,
      connection_timeout: 0.1,
    };
    const error = await failure(prepare(template));
    expect(error).toMatchObject({ code: 'upstream_timeout', reason: 'connection_timeout', status: 504 });
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
  });

  it('implements response timeouts, and a timeout for the whole call', async () => {
    const upstream = await start(() => undefined);
    expect(await failure(prepare(ws(upstream, { response_timeout: 0.05 })))).toMatchObject({
      code: 'upstream_timeout',
      reason: 'response_timeout',
    });
    expect(await failure(prepare(ws(upstream, { timeout: 0.05 })))).toMatchObject({
      code: 'upstream_timeout',
      reason: 'deadline',
    });
    await expect.poll(() => upstream.open).toBe(0);
  });

  it('uses heartbeat/ping for connection health: a dead peer ends the call', async () => {
    const upstream = await start(() => undefined, { autoPong: false });
    expect(await failure(prepare(ws(upstream, { ping_interval: 0.05 })))).toMatchObject({
      code: 'upstream_timeout',
      reason: 'heartbeat_lost',
    });
  });

  it('limits concurrent connections per client', async () => {
    const upstream = await start(() => undefined);
    const prepared = prepare(ws(upstream), [], { settings: { max_streams_per_caller: 2 } });
    const scope = makeScope();
    const held = [failure(prepared, {}, scope), failure(prepared, {}, scope)];
    expect(await failure(prepared)).toMatchObject({ code: 'rate_limited', reason: 'streams_per_caller' });
    expect(await failure(prepared, {}, new CallScope('request-2', 50, 'bob'))).toMatchObject({
      code: 'upstream_timeout',
    });
    scope.cancel('client_aborted');
    expect((await Promise.all(held)).map(({ code }) => code)).toEqual(['client_aborted', 'client_aborted']);
  });
});

describe('the bounds and the ends of a websocket call', () => {
  it('refuses a message over max_size, and messages that are too much together', async () => {
    const upstream = await start(
      answering((_text, client) => {
        for (let count = 0; count < 4; count++) client.send('x'.repeat(100));
      }),
    );
    expect(await failure(prepare(ws(upstream, { max_size: 99 })))).toMatchObject({
      code: 'upstream_too_large',
      reason: 'message_too_large',
    });
    const together = prepare(ws(upstream, { expected_responses: 4 }), [], { settings: { max_response_bytes: 350 } });
    expect(await failure(together)).toMatchObject({ code: 'upstream_too_large', reason: 'stream_too_large' });
  });

  it('refuses headers of the handshake, and unknown fields', async () => {
    const upstream = await start(echo);
    expect(() => prepare(ws(upstream, { headers: { 'Sec-WebSocket-Key': 'x' } }))).toThrowError(
      /belongs to the handshake/,
    );
    expect(() => prepare(ws(upstream, { header_fields: ['sec-websocket-protocol'] }))).toThrowError(/handshake/);
    expect(() => prepare(ws(upstream, { mesage: 'x' }))).toThrowError(/Unknown in this template: mesage/);
  });

  it('does not follow a redirect of the handshake (GHSA-9qhg-99ww-9mqc)', async () => {
    const upstream = await startUpstream((_request, response) => response.writeHead(302, { location: '/else' }).end());
    const template = { call_template_type: 'websocket', url: `ws://127.0.0.1:${upstream.port}/` };
    expect(await failure(prepare(template))).toMatchObject({ code: 'upstream_failed', reason: 'status_302' });
    expect(upstream.connections.made).toBe(1);
  });

  it('closes the upstream at once when the client goes away', async () => {
    const upstream = await start(() => undefined);
    const scope = makeScope();
    const failed = failure(prepare(ws(upstream)), {}, scope);
    await expect.poll(() => upstream.open).toBe(1);
    scope.cancel('client_aborted');
    expect(await failed).toMatchObject({ code: 'client_aborted' });
    await expect.poll(() => upstream.open).toBe(0);
  });

  it('fails calls in flight when the server closes its protocols', async () => {
    const upstream = await start(() => undefined);
    const { registry } = makeRegistry();
    const next = failureOf(openStream(prepare(ws(upstream), [], {}, registry)).next());
    await expect.poll(() => upstream.open).toBe(1);
    await registry.close();
    expect(await next).toMatchObject({ code: 'upstream_failed', reason: 'closed' });
  });

  it('reports an upstream that is away once, and that it is back', async () => {
    const { registry, reports } = makeRegistry();
    const upstream = await startWebsocketUpstream(echo);
    const prepared = prepare(ws(upstream), [], {}, registry);
    await upstream.close();
    for (let times = 0; times < 3; times++) {
      expect(await failure(prepared)).toMatchObject({ code: 'upstream_failed', reason: 'connect_refused' });
    }
    expect(registry.health()).toMatchObject([{ state: 'down', reason: 'connect_refused' }]);
    cleanups.push(() => again.close());
    const again = await startWebsocketUpstream(echo, { port: upstream.port });
    await call(prepared);
    expect(reports.map(({ kind }) => kind)).toEqual(['failed', 'recovered']);
    expect(registry.health()).toMatchObject([{ state: 'up' }]);
  });
});

describe('connections that wait for the next call', () => {
  it('opens one for each call unless the template says keep_alive', async () => {
    const upstream = await start(echo);
    const each = prepare(ws(upstream), ['n']);
    for (const n of [1, 2]) await call(each, { n });
    expect(upstream.handshakes).toHaveLength(2);
    await expect.poll(() => upstream.open).toBe(0);
    const kept = prepare(ws(upstream, { keep_alive: true }), ['n']);
    for (const n of [1, 2, 3]) expect(await call(kept, { n })).toEqual({ n });
    expect(upstream.handshakes).toHaveLength(3);
  });

  it('never hands the connection of one caller to another', async () => {
    const upstream = await start(echo);
    const kept = prepare(ws(upstream, { keep_alive: true }));
    for (const caller of ['alice', 'bob', 'alice', 'bob']) await kept.call({}, new CallScope('r', 1000, caller));
    expect(upstream.handshakes).toHaveLength(2);
  });

  it('ends one on which a message arrives that nobody asked for', async () => {
    const upstream = await start(
      answering((text, client) => {
        client.send(text);
        setTimeout(() => client.send('"late"'), 20);
      }),
    );
    const kept = prepare(ws(upstream, { keep_alive: true }), ['n']);
    expect(await call(kept, { n: 1 })).toEqual({ n: 1 });
    await expect.poll(() => upstream.open).toBe(0);
    expect(await call(kept, { n: 2 })).toEqual({ n: 2 });
    expect(upstream.handshakes).toHaveLength(2);
  });

  it('ends those of tools that a reload took out', async () => {
    const upstream = await start(echo);
    const { registry } = makeRegistry();
    await call(prepare(ws(upstream, { keep_alive: true }), [], {}, registry));
    expect(upstream.open).toBe(1);
    registry.retain(new Set());
    await expect.poll(() => upstream.open).toBe(0);
  });
});

describe('what websocket calls leave behind', () => {
  it('leaves no socket, descriptor or timer after 1,000 sequential and 200 parallel calls, aborts and timeouts included', async () => {
    const upstream = await start(answering((text, client) => text.includes('hang') || client.send(text)));
    const { registry } = makeRegistry();
    const options = { settings: { max_streams_per_caller: 200 }, timeout_ms: 20_000 };
    const prepared = prepare(ws(upstream), ['mode'], options, registry);
    const kept = prepare(ws(upstream, { keep_alive: true }), ['mode'], options, registry);
    const briefly = prepare(ws(upstream, { timeout: 0.05 }), ['mode'], options, registry);
    await call(prepared, { mode: 'end' });
    const before = countResources();
    const one = async (index: number) => {
      if (index % 20 === 7) return failure(briefly, { mode: 'hang' });
      if (index % 20 === 13) return failure(prepared, { mode: 'hang' }, cancelAfter(makeScope(), 'client_aborted', 5));
      return call(index % 2 === 0 ? prepared : kept, { mode: 'end' });
    };
    await runMany(1000, 1, one);
    await runMany(200, 200, one);
    await registry.close();
    expect(
      await eventually(
        () => upstream.open,
        (open) => open === 0,
      ),
    ).toBe(0);
    await expectNothingLeft(before);
  }, 60_000);
});
