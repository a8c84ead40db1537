import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { CallTemplate } from '../../src/core/index.js';
import { issueCertificate, makeAuthority, writeFiles } from '../support/certificates.js';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { eventually, whenStill } from '../support/processes.js';
import { countResources, expectNothingLeft } from '../support/resources.js';
import { cancelAfter, failureOf, openStream, readStream, runMany, sendEvents } from '../support/stream.js';
import { sendJson, startUpstream, type TestUpstream, type UpstreamHandler } from '../support/upstream.js';
import { portOf } from '../support/websocket-upstream.js';

function sse(upstream: TestUpstream | string, more: Omit<CallTemplate, 'call_template_type'> = {}): CallTemplate {
  const url = typeof upstream === 'string' ? upstream : `${upstream.origin}/events`;
  return { call_template_type: 'sse', url, ...more };
}

const threeEvents: UpstreamHandler = (_request, response) =>
  sendEvents(response, 'data: {"n":1}\n\nevent: tick\nid: 7\ndata: 2\n\n', ': c\n\ndata: [DONE]\n\n');

/** Events as fast as the connection takes them. */
function flood(response: Parameters<UpstreamHandler>[1], event: string, seen = { written: 0 }): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const write = () => {
    while (!response.destroyed) {
      seen.written += 1;
      if (!response.write(event)) {
        response.once('drain', write);
        return;
      }
    }
  };
  write();
}

/** One event, and then nothing. */
const hang: UpstreamHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: 1\n\n');
};

describe('the sse protocol', () => {
  it('streams the events with their names and ids', async () => {
    const upstream = await startUpstream(threeEvents);
    expect(await readStream(prepare(sse(upstream)))).toEqual([
      { data: '{"n":1}', event: 'message', id: '' },
      { data: '2', event: 'tick', id: '7' },
      { data: '"[DONE]"', event: 'message', id: '7' },
    ]);
  });

  it('answers its http twin with the array of the data', async () => {
    const upstream = await startUpstream(threeEvents);
    expect(await call(prepare(sse(upstream)))).toEqual([{ n: 1 }, 2, '[DONE]']);
  });

  it('hands each event on when it comes, not when the stream ends', async () => {
    const upstream = await startUpstream(hang);
    const iterator = openStream(prepare(sse(upstream)));
    expect(await iterator.next()).toMatchObject({ value: { data: '1' } });
    await iterator.return?.();
  });

  it('puts arguments where UTCP says and asks for an event stream', async () => {
    const upstream = await startUpstream(threeEvents);
    const template = { header_fields: ['X-Tenant'], body_field: 'filter', url: `${upstream.origin}/{room}/events` };
    const prepared = prepare(sse(upstream, template), ['room', 'X-Tenant', 'filter', 'since']);
    await call(prepared, { room: 'a/b', 'X-Tenant': 'acme', filter: { kind: 'é' }, since: 3 });
    expect(upstream.requests[0]).toMatchObject({
      method: 'POST',
      url: '/a%2Fb/events?since=3',
      headers: { accept: 'text/event-stream', 'x-tenant': 'acme', 'content-type': 'application/json' },
      body: '{"kind":"é"}',
    });
  });

  it('filters by event_type, and takes an event without a name for a message', async () => {
    const upstream = await startUpstream(threeEvents);
    expect(await call(prepare(sse(upstream, { event_type: 'tick' })))).toEqual([2]);
    expect(await call(prepare(sse(upstream, { event_type: 'message' })))).toEqual([{ n: 1 }, '[DONE]']);
  });
});

describe("the guide's list for server-sent events", () => {
  it('authenticates SSE connections: header, query, cookie and basic', async () => {
    const upstream = await startUpstream(threeEvents);
    const options = { variables: { API_KEY: 's3cret' } };
    const key = { auth_type: 'api_key', api_key: `Bearer \${API_KEY}`, var_name: 'Authorization', location: 'header' };
    await call(prepare(sse(upstream, { auth: key }), [], options));
    await call(
      prepare(
        sse(upstream, { auth: { ...key, api_key: `\${API_KEY}`, var_name: 'k', location: 'query' } }),
        [],
        options,
      ),
    );
    await call(
      prepare(
        sse(upstream, { auth: { ...key, api_key: `\${API_KEY}`, var_name: 'k', location: 'cookie' } }),
        [],
        options,
      ),
    );
    await call(prepare(sse(upstream, { headers: { Authorization: `Bearer \${API_KEY}` } }), [], options));
    expect(upstream.requests.map((seen) => [seen.url, seen.headers.authorization, seen.headers.cookie])).toEqual([
      ['/events', 'Bearer s3cret', undefined],
      ['/events?k=s3cret', undefined, undefined],
      ['/events', undefined, 'k=s3cret'],
      ['/events', 'Bearer s3cret', undefined],
    ]);
  });

  it('authenticates SSE connections by OAuth2, and renews a token that was revoked', async () => {
    let issued = 0;
    const upstream = await startUpstream((request, response) => {
      if (request.url === '/token') sendJson(response, { access_token: `t${++issued}`, token_type: 'Bearer' });
      else if (request.headers.authorization === 'Bearer t2') threeEvents(request, response);
      else response.writeHead(401).end();
    });
    const auth = { auth_type: 'oauth2', token_url: `${upstream.origin}/token`, client_id: 'c', client_secret: 's' };
    expect(await call(prepare(sse(upstream, { auth })))).toHaveLength(3);
    expect(issued).toBe(2);
  });

  it('sets maximum event limits: the stream ends after max_events and its upstream is closed at once', async () => {
    const upstream = await startUpstream((_request, response) => flood(response, 'data: 1\n\n'));
    const { registry, reports } = makeRegistry();
    const prepared = prepare(sse(upstream, { max_events: 5 }), [], {}, registry);
    expect(await call(prepared)).toEqual([1, 1, 1, 1, 1]);
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
    expect(reports).toContainEqual({
      kind: 'flooding',
      upstream: `127.0.0.1:${upstream.port}`,
      tool: 'test.tool',
      reason: 'max_events',
    });
  });

  it('sets maximum event limits where the template says nothing', async () => {
    const upstream = await startUpstream((_request, response) => flood(response, 'data: 1\n\n'));
    expect(await call(prepare(sse(upstream)))).toHaveLength(10_000);
  });

  it('implements connection timeouts: an upstream that never answers', async () => {
    const upstream = await startUpstream(() => undefined);
    const error = await failure(prepare(sse(upstream, { timeout: 0.1 })));
    expect(error).toMatchObject({ code: 'upstream_timeout', status: 504, reason: 'deadline' });
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
  });

  it('implements connection timeouts: a stream that falls silent', async () => {
    const upstream = await startUpstream(hang);
    const error = await failure(prepare(sse(upstream, { idle_timeout: 0.1 })));
    expect(error).toMatchObject({ code: 'upstream_timeout', reason: 'idle_timeout' });
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
  });

  it('implements connection timeouts: a stream that only ever sends comments', async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const beat = setInterval(() => response.write(':\n\n'), 20);
      response.on('close', () => clearInterval(beat));
    });
    const error = await failure(prepare(sse(upstream, { timeout: 0.2, idle_timeout: 0.1 })));
    expect(error).toMatchObject({ code: 'upstream_timeout', reason: 'deadline' });
  });

  it('lets the call, the template and the configuration each shorten the time, and none lengthen it', async () => {
    const upstream = await startUpstream(hang);
    const started = performance.now();
    await failure(prepare(sse(upstream, { timeout: 300 }), [], { timeout_ms: 100 }));
    await failure(prepare(sse(upstream, { timeout: 300 })), {}, makeScope(100));
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('validates the event data format: data that is not JSON is refused where the template says json', async () => {
    const upstream = await startUpstream(threeEvents);
    const prepared = prepare(sse(upstream, { response_format: 'json' }));
    const items: unknown[] = [];
    const iterator = openStream(prepared);
    items.push(await iterator.next(), await iterator.next());
    expect(await failureOf(iterator.next())).toMatchObject({
      code: 'upstream_invalid',
      reason: 'not_json',
      status: 502,
    });
    expect(await call(prepare(sse(upstream, { response_format: 'text' })))).toEqual(['{"n":1}', '2', '[DONE]']);
  });

  it('validates the event data format: an answer that is no event stream is refused', async () => {
    const upstream = await startUpstream((_request, response) => sendJson(response, { data: 1 }));
    expect(await failure(prepare(sse(upstream)))).toMatchObject({
      code: 'upstream_invalid',
      reason: 'not_event_stream',
    });
  });

  it('validates the event data format: a compressed stream that nobody asked for is refused', async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }).end('x');
    });
    expect(await failure(prepare(sse(upstream)))).toMatchObject({
      code: 'upstream_invalid',
      reason: 'content_encoding',
    });
  });

  it('monitors for event flooding: more events in a second than the limit are reported, once', async () => {
    const upstream = await startUpstream((_request, response) => sendEvents(response, 'data: 1\n\n'.repeat(50)));
    const { registry, reports } = makeRegistry();
    const prepared = prepare(sse(upstream, { max_events_per_second: 10 }), [], {}, registry);
    expect(await call(prepared)).toHaveLength(50);
    expect(reports.map(({ kind, reason }) => [kind, reason])).toEqual([['flooding', 'events_per_second']]);
  });
});

describe('the bounds of an event stream', () => {
  it('refuses an event larger than max_event_bytes, and closes the upstream', async () => {
    const upstream = await startUpstream((_request, response) => flood(response, `data: ${'x'.repeat(4096)}\n\n`));
    const error = await failure(prepare(sse(upstream, { max_event_bytes: 1024 })));
    expect(error).toMatchObject({ code: 'upstream_too_large', reason: 'event_too_large', status: 502 });
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
  });

  it('refuses a line that never ends', async () => {
    const upstream = await startUpstream((_request, response) => flood(response, 'x'.repeat(65_536)));
    expect(await failure(prepare(sse(upstream)))).toMatchObject({ code: 'upstream_too_large' });
  });

  it('refuses a stream larger than max_response_bytes', async () => {
    const upstream = await startUpstream((_request, response) => flood(response, `data: ${'1'.repeat(1000)}\n\n`));
    const error = await failure(prepare(sse(upstream), [], { settings: { max_response_bytes: 100_000 } }));
    expect(error).toMatchObject({ code: 'upstream_too_large', reason: 'stream_too_large' });
  });

  it('bounds the streams that one caller holds open, and frees the place of one that ended', async () => {
    const upstream = await startUpstream(hang);
    const prepared = prepare(sse(upstream), [], { settings: { max_streams_per_caller: 2 } });
    const open = [openStream(prepared), openStream(prepared)];
    for (const iterator of open) await iterator.next();
    expect(await failureOf(openStream(prepared).next())).toMatchObject({
      code: 'rate_limited',
      status: 429,
      reason: 'streams_per_caller',
      details: { retry_after: 1 },
    });
    await open[0]?.return?.();
    const again = openStream(prepared);
    expect(await again.next()).toMatchObject({ done: false });
    for (const iterator of [again, open[1]]) await iterator?.return?.();
  });

  it('reads no further than its consumer reads', async () => {
    const seen = { written: 0 };
    const upstream = await startUpstream((_request, response) =>
      flood(response, `data: "${'x'.repeat(8192)}"\n\n`, seen),
    );
    const prepared = prepare(sse(upstream), [], { settings: { max_response_bytes: 1_000_000_000 } });
    const iterator = openStream(prepared);
    await iterator.next();
    const before = await whenStill(() => seen.written);
    expect(before * 8192).toBeLessThan(32 * 1024 * 1024);
    for (let taken = 1; taken < before; taken += 1) await iterator.next();
    expect(
      await eventually(
        () => seen.written,
        (written) => written > before,
      ),
    ).toBeGreaterThan(before);
    await iterator.return?.();
  });

  it('does not take a slow consumer for a silent upstream', async () => {
    const upstream = await startUpstream((_request, response) => flood(response, `data: "${'x'.repeat(8192)}"\n\n`));
    const iterator = openStream(prepare(sse(upstream, { idle_timeout: 0.3 })));
    for (let taken = 0; taken < 3; taken += 1) {
      expect(await iterator.next()).toMatchObject({ done: false });
      await sleep(500);
    }
    await iterator.return?.();
  });
});

describe('the end of an event stream', () => {
  it('closes the upstream at once when the client goes away', async () => {
    const upstream = await startUpstream(hang);
    const scope = makeScope();
    const iterator = openStream(prepare(sse(upstream)), {}, scope);
    await iterator.next();
    const next = failureOf(iterator.next());
    const started = performance.now();
    scope.cancel('client_aborted');
    expect(await next).toMatchObject({ code: 'client_aborted' });
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('stops between two events at hand when the call is cancelled', async () => {
    const upstream = await startUpstream((_request, response) => sendEvents(response, 'data: 1\n\n'.repeat(100)));
    const scope = makeScope();
    const iterator = openStream(prepare(sse(upstream)), {}, scope);
    await iterator.next();
    scope.cancel('draining');
    expect(await failureOf(iterator.next())).toMatchObject({ code: 'draining', status: 503 });
  });

  it('closes the upstream when the consumer stops reading', async () => {
    const upstream = await startUpstream(hang);
    const iterator = openStream(prepare(sse(upstream)));
    await iterator.next();
    await iterator.return?.();
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
  });

  it('hands on what came before a stream broke off, and tells it from one that ended', async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n'.repeat(20_000), () => response.destroy());
    });
    const iterator = openStream(prepare(sse(upstream)));
    const { value } = await iterator.next();
    await sleep(100);
    expect(value).toMatchObject({ data: '1' });
    expect(await iterator.next()).toMatchObject({ value: { data: '1' } });
    const broken = await failure(prepare(sse(upstream, { max_events: 1_000_000 })));
    expect(broken).toMatchObject({ code: 'upstream_failed', reason: 'connection_reset' });
    await iterator.return?.();
  });

  it('fails calls in flight when the server closes its protocols', async () => {
    const upstream = await startUpstream(hang);
    const { registry } = makeRegistry();
    const iterator = openStream(prepare(sse(upstream), [], {}, registry));
    await iterator.next();
    const next = failureOf(iterator.next());
    await registry.close();
    expect(await next).toMatchObject({ code: 'upstream_failed', reason: 'closed' });
  });

  it('hands an upstream error on by its status alone', async () => {
    const upstream = await startUpstream((_request, response) => sendJson(response, { secret: 'x' }, 503));
    const { registry, reports } = makeRegistry();
    const error = await failure(prepare(sse(upstream), [], {}, registry));
    expect(error).toMatchObject({ code: 'upstream_failed', reason: 'status_503', details: { upstream_status: 503 } });
    expect(reports.map((report) => report.kind)).toEqual(['failed']);
  });

  it('refuses a redirect, to its own origin too (GHSA-9qhg-99ww-9mqc)', async () => {
    const upstream = await startUpstream((_request, response) => response.writeHead(302, { location: '/else' }).end());
    expect(await failure(prepare(sse(upstream)))).toMatchObject({
      code: 'upstream_failed',
      reason: 'redirect_refused',
    });
    expect(upstream.requests).toHaveLength(1);
  });

  it('refuses a private upstream that the configuration does not name (CVE-2026-44661)', async () => {
    expect(() => prepare(sse('http://127.0.0.1:9/'), [], { settings: { allow_private_hosts: [] } })).toThrowError(
      /private or loopback/,
    );
  });

  it('checks the certificate of its upstream', async () => {
    const authority = await makeAuthority();
    const identity = await issueCertificate(authority, ['127.0.0.1']);
    const upstream = await startUpstream(threeEvents, identity);
    expect(await failure(prepare(sse(upstream)))).toMatchObject({ code: 'upstream_failed', reason: 'tls_failed' });
    const files = writeFiles({ 'ca.pem': authority.cert });
    const trusted = prepare(sse(upstream), [], { base_dir: files.dir, settings: { tls: { ca_file: 'ca.pem' } } });
    expect(await call(trusted)).toHaveLength(3);
    files.remove();
  });
});

describe('event streams over odd networks', () => {
  it.each([1, 2, 3, 7])('gives the same events in segments of %i bytes', async (size) => {
    const body = '\ufeffevent: a\r\ndata: grüße\r\ndata: 🦉\r\r\ndata: {"n":\ndata: 1}\n\n';
    const bytes = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n${body}`);
    const server = createServer(async (socket: Socket) => {
      socket.setNoDelay(true).on('error', () => undefined);
      await once(socket, 'data');
      for (let at = 0; at < bytes.length; at += size) {
        socket.write(bytes.subarray(at, at + size));
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const prepared = prepare(sse(`http://127.0.0.1:${portOf(server)}/`));
    expect(await call(prepared)).toEqual(['grüße\n🦉', { n: 1 }]);
    server.close();
  });
});

describe('what event streams leave behind', () => {
  it('leaves no socket, descriptor or timer after 1,000 sequential and 200 parallel calls, aborts and timeouts included', async () => {
    const upstream = await startUpstream((request, response) =>
      request.url === '/events?mode=end' ? threeEvents(request, response) : hang(request, response),
    );
    const { registry } = makeRegistry();
    const options = { settings: { max_streams_per_caller: 200 }, timeout_ms: 20_000 };
    const prepared = prepare(sse(upstream), ['mode'], options, registry);
    const briefly = prepare(sse(upstream, { timeout: 0.05 }), ['mode'], options, registry);
    await call(prepared, { mode: 'end' });
    const before = countResources();

    const one = async (index: number) => {
      if (index % 20 === 7) return failure(briefly, { mode: 'hang' });
      if (index % 20 === 13) return failure(prepared, { mode: 'hang' }, cancelAfter(makeScope(), 'client_aborted', 5));
      if (index % 20 === 17) return (await openAndLeave()) ?? undefined;
      return call(prepared, { mode: 'end' });
    };
    const openAndLeave = async () => {
      const iterator = openStream(prepared, { mode: 'hang' });
      await iterator.next();
      await iterator.return?.();
    };
    await runMany(1000, 1, one);
    await runMany(200, 200, one);
    await registry.close();

    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
    await expectNothingLeft(before);
  }, 60_000);
});
