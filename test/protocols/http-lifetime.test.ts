import { createServer, type Socket } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { anchorsOf, type CancelReason } from '../../src/core/index.js';
import { makeBinding } from '../support/binding.js';
import { issueCertificate, makeAuthority, writeFiles } from '../support/certificates.js';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { countResources, expectNothingLeft } from '../support/resources.js';
import { sendJson, startUpstream, type TestUpstream } from '../support/upstream.js';

/** An upstream that answers `/fast`, never answers `/never`, and begins `/slow` without ending it. */
function startMixed(): Promise<TestUpstream> {
  return startUpstream((request, response) => {
    if (request.url.startsWith('/fast')) sendJson(response, 'ok');
    else if (request.url.startsWith('/slow')) response.write('[1,');
  });
}

describe('the deadline of a call', () => {
  it.each(['/never', '/slow'])('ends it and its connection when the upstream hangs (%s)', async (path) => {
    const upstream = await startMixed();
    const begun = performance.now();
    const error = await failure(prepare({ url: upstream.origin + path }), {}, makeScope(300));
    expect(error).toMatchObject({ code: 'upstream_timeout', status: 504 });
    expect(performance.now() - begun).toBeLessThan(1500);
    await expect.poll(() => upstream.broken.count).toBe(1);
  });

  it('is shortened by the template’s own timeout in seconds, never lengthened', async () => {
    const upstream = await startMixed();
    const begun = performance.now();
    const url = `${upstream.origin}/never`;
    expect(await failure(prepare({ url, timeout: 0.2 }))).toMatchObject({ code: 'upstream_timeout' });
    expect(await failure(prepare({ url, timeout: 60 }), {}, makeScope(200))).toMatchObject({
      code: 'upstream_timeout',
    });
    expect(performance.now() - begun).toBeLessThan(2000);
  });

  it('holds while the TLS handshake hangs, whose socket ends with the server', async () => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket
        .on('close', () => sockets.delete(socket))
        .on('error', () => undefined)
        .resume();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const { registry } = makeRegistry();
    const prepared = prepare({ url: `https://127.0.0.1:${address.port}/` }, [], {}, registry);
    expect(await failure(prepared, {}, makeScope(300))).toMatchObject({ code: 'upstream_timeout' });
    expect(sockets.size).toBe(1);
    await registry.close();
    await expect.poll(() => sockets.size).toBe(0);
    server.close();
  });
});

describe('a cancelled call', () => {
  it.each<[CancelReason, string]>([
    ['client_aborted', 'client_aborted'],
    ['draining', 'draining'],
    ['timeout', 'upstream_timeout'],
  ])('settles at once as %s and closes the upstream request', async (reason, code) => {
    const upstream = await startMixed();
    const scope = makeScope();
    const outcome = failure(prepare({ url: `${upstream.origin}/slow` }), {}, scope);
    await expect.poll(() => upstream.requests.length).toBe(1);
    const begun = performance.now();
    scope.cancel(reason);
    expect(await outcome).toMatchObject({ code });
    await expect.poll(() => upstream.broken.count).toBe(1);
    expect(performance.now() - begun).toBeLessThan(1000);
  });

  it('that was cancelled before it began sends nothing', async () => {
    const upstream = await startMixed();
    const scope = makeScope();
    scope.cancel('client_aborted');
    expect(await failure(prepare({ url: `${upstream.origin}/fast` }), {}, scope)).toMatchObject({
      code: 'client_aborted',
    });
    await new Promise((done) => setTimeout(done, 100));
    expect(upstream.requests).toEqual([]);
  });
});

describe('an origin', () => {
  // Two, because undici rests a connection for one turn of the event loop before it uses it again.
  it('keeps at most two connections alive for calls in sequence, and shares them between tools', async () => {
    const upstream = await startMixed();
    const { registry } = makeRegistry();
    const one = prepare({ url: `${upstream.origin}/fast/1` }, [], {}, registry);
    const two = prepare({ url: `${upstream.origin}/fast/2` }, [], {}, registry);
    for (let i = 0; i < 20; i++) await call(i % 2 ? one : two);
    expect(upstream.connections.made).toBeLessThanOrEqual(2);
  });

  it('shares no connection between manuals that allow different hosts', async () => {
    const upstream = await startMixed();
    const { registry } = makeRegistry();
    const url = `${upstream.origin}/fast`;
    await call(prepare({ url }, [], {}, registry));
    await call(prepare({ url }, [], { settings: { allow_private_hosts: ['127.0.0.1', 'other'] } }, registry));
    expect(upstream.connections.made).toBe(2);
  });

  it('reports failed once when it goes away and recovered once when it is back, by host and port alone', async () => {
    let status = 200;
    const upstream = await startUpstream((_request, response) => sendJson(response, {}, status));
    const { registry, reports } = makeRegistry();
    const prepared = prepare({ url: `${upstream.origin}/canary`, http_method: 'POST' }, [], {}, registry);
    await call(prepared);
    expect(registry.health()).toEqual([{ upstream: `127.0.0.1:${upstream.port}`, state: 'up' }]);
    status = 503;
    for (let i = 0; i < 3; i++) await failure(prepared);
    expect(registry.health()).toMatchObject([{ state: 'down', reason: 'status_503' }]);
    status = 404;
    await failure(prepared);
    const name = `127.0.0.1:${upstream.port}`;
    expect(reports).toEqual([
      { kind: 'failed', upstream: name, tool: 'test.tool', reason: 'status_503' },
      { kind: 'recovered', upstream: name, tool: 'test.tool', reason: 'status_503' },
    ]);
    expect(registry.health()).toMatchObject([{ state: 'up' }]);
  });

  it('is closed after a reload that leaves no tool on it, and its calls in flight end first', async () => {
    let finish: (() => void) | undefined;
    const upstream = await startUpstream((_request, response) => {
      finish = () => sendJson(response, 'finished');
    });
    const { registry } = makeRegistry();
    const old = prepare({ url: upstream.origin }, [], {}, registry);
    const kept = prepare({ url: 'https://example.com/' }, [], {}, registry);
    const running = call(old);
    await expect.poll(() => finish).toBeDefined();
    registry.retain(new Set(anchorsOf(kept)));
    expect(registry.health()).toEqual([{ upstream: 'example.com:443', state: 'up' }]);
    finish?.();
    expect(await running).toBe('finished');
    await expect.poll(() => upstream.connections.open.size).toBe(0);
  });

  it('fails the calls in flight when the server closes', async () => {
    const upstream = await startMixed();
    const { registry } = makeRegistry();
    const running = failure(prepare({ url: `${upstream.origin}/never` }, [], {}, registry));
    await expect.poll(() => upstream.requests.length).toBe(1);
    await registry.close();
    expect(await running).toMatchObject({ code: 'upstream_failed', reason: 'closed' });
  });
});

describe('an https upstream', () => {
  let identity: Awaited<ReturnType<typeof issueCertificate>>;
  let authority: Awaited<ReturnType<typeof makeAuthority>>;
  beforeAll(async () => {
    authority = await makeAuthority();
    identity = await issueCertificate(authority, ['127.0.0.1']);
  });

  it('is trusted by the configured authority, refused without it, and told apart in the error', async () => {
    const upstream = await startUpstream((_request, response) => sendJson(response, 'ok'), identity);
    const files = writeFiles({ 'ca.pem': authority.cert });
    try {
      const settings = { allow_private_hosts: ['127.0.0.1'], tls: { ca_file: 'ca.pem' } };
      expect(await call(prepare({ url: upstream.origin }, [], { settings, base_dir: files.dir }))).toBe('ok');
      const error = await failure(prepare({ url: upstream.origin }));
      expect(error).toMatchObject({ code: 'upstream_failed', reason: 'tls_failed' });
      expect(upstream.requests).toHaveLength(1);
    } finally {
      files.remove();
    }
  });

  it('may be unverified only where the configuration names the host, with a warning at load', async () => {
    const upstream = await startUpstream((_request, response) => sendJson(response, 'ok'), identity);
    const settings = { allow_private_hosts: ['127.0.0.1'], allow_unverified_tls_hosts: ['127.0.0.1'] };
    const binding = makeBinding({ settings });
    const template = { call_template_type: 'http', url: upstream.origin, verify_ssl: false };
    expect(await call(makeRegistry().registry.prepareTool(template, binding))).toBe('ok');
    expect(binding.notices).toMatchObject([
      { rule: 'private-host-allowed' },
      { rule: 'tls-unverified', severity: 'warning' },
    ]);
  });
});

describe('after 1,000 sequential and 200 parallel calls, aborts and timeouts included', () => {
  it('no socket, file descriptor or timer is left', { timeout: 60_000 }, async () => {
    const before = countResources();
    const upstream = await startMixed();
    const { registry } = makeRegistry();
    const settings = { allow_private_hosts: ['127.0.0.1'], max_response_bytes: 100 };
    const tool = (path: string) => prepare({ url: upstream.origin + path }, [], { settings }, registry);
    const [fast, slow, never] = [tool('/fast'), tool('/slow'), tool('/never')];
    for (let i = 0; i < 1000; i++) {
      if (i % 100 === 1) await failure(slow, {}, makeScope(20));
      else await call(fast);
    }
    const codes = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        if (index % 4 === 0) return call(fast);
        if (index % 4 === 1) return (await failure(never, {}, makeScope(100))).code;
        const scope = makeScope();
        setTimeout(() => scope.cancel('client_aborted'), index);
        return (await failure(index % 4 === 2 ? slow : never, {}, scope)).code;
      }),
    );
    expect(new Set(codes)).toEqual(new Set(['ok', 'upstream_timeout', 'client_aborted']));
    await expect.poll(() => upstream.connections.open.size).toBeLessThanOrEqual(128);
    await registry.close();
    await upstream.close();
    await expectNothingLeft(before);
  });
});
