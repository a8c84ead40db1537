import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { callJson, catchError, closeAll, createHarness, everythingScript, makeScope } from '../support/mcp.js';
import {
  type CallHandler,
  type FakeMcpServer,
  sendJson,
  startFakeMcpServer,
  textResult,
} from '../support/mcp-http-server.js';
import { findFreePort } from '../support/port.js';
import { eventually, openDescriptors } from '../support/processes.js';

const children = new Set<ChildProcess>();
const fakes = new Set<FakeMcpServer>();

afterEach(async () => {
  await closeAll();
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await Promise.all([...fakes].map((fake) => fake.close()));
  fakes.clear();
});

/** The reference server in its streamable HTTP mode. */
async function startEverything(port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [everythingScript(), 'streamableHttp'], {
    env: { PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  children.add(child);
  await once(child.stderr, 'data');
  return child;
}

async function startFake(onCall: CallHandler = (response, id) => sendJson(response, textResult(id, 'done')), port = 0) {
  const fake = await startFakeMcpServer(onCall, port);
  fakes.add(fake);
  return fake;
}

function startStream(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream' });
}

describe('the reference server over streamable HTTP', () => {
  it('answers calls, 200 at once, and leaves no connection behind', async () => {
    const port = await findFreePort();
    await startEverything(port);
    const before = openDescriptors();
    const { prepare, protocol } = createHarness();
    const server = { url: `http://127.0.0.1:${port}/mcp` };
    const weather = prepare('get-structured-content', server);
    expect(await callJson(weather, { location: 'Chicago' })).toMatchObject({ conditions: 'Light rain / drizzle' });
    const echo = prepare('echo', server);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => callJson(echo, { message: `n${n}` })));
    expect(new Set(answers).size).toBe(200);
    expect(protocol.health()).toEqual([{ upstream: `127.0.0.1:${port}`, state: 'up' }]);
    await protocol.close();
    expect(await eventually(openDescriptors, (open) => open <= before)).toBeLessThanOrEqual(before);
  });

  it('is used again after it was killed and started anew, with a new session', async () => {
    const port = await findFreePort();
    const first = await startEverything(port);
    const { prepare, reports, protocol } = createHarness({ health_interval_ms: 100 });
    const echo = prepare('echo', { url: `http://127.0.0.1:${port}/mcp` });
    await callJson(echo, { message: 'one' });
    first.kill('SIGKILL');
    await once(first, 'exit');
    await eventually(
      () => protocol.health()[0]?.state,
      (state) => state !== 'up',
    );
    expect(await catchError(() => callJson(echo, { message: 'two' }))).toMatchObject({ code: 'upstream_unavailable' });
    await startEverything(port);
    await eventually(
      () => protocol.health()[0]?.state,
      (state) => state === 'up',
      10_000,
    );
    expect(await callJson(echo, { message: 'three' })).toBe('Echo: three');
    expect(reports.map(({ kind }) => kind)).toEqual(['failed', 'recovered']);
  });

  it('streams progress and then the result', async () => {
    const port = await findFreePort();
    await startEverything(port);
    const { prepare } = createHarness();
    const steps = prepare('trigger-long-running-operation', { url: `http://127.0.0.1:${port}/mcp` });
    const events: (string | undefined)[] = [];
    for await (const { event } of steps.stream?.({ duration: 0.2, steps: 2 }, makeScope()) ?? []) events.push(event);
    expect(events).toEqual(['progress', 'progress', 'result']);
  });
});

describe('a streamable HTTP server', () => {
  it('gets the configured headers, with the variables in place', async () => {
    const fake = await startFake();
    const { prepare } = createHarness();
    const server = { url: fake.url, headers: { Authorization: `Bearer \${API_KEY}` } };
    expect(await callJson(prepare('act', server, { variables: { API_KEY: 's3cret' } }))).toBe('done');
    expect(fake.requests.map(({ headers }) => headers.authorization)).toEqual(fake.requests.map(() => 'Bearer s3cret'));
  });

  it("proves itself by the manual's upstream_auth, and by the template's own where it has one", async () => {
    const fake = await startFake();
    const { prepare } = createHarness();
    const upstream_auth = { auth_type: 'api_key', api_key: `\${API_KEY}`, var_name: 'X-Key', location: 'header' };
    const over = { variables: { API_KEY: 's3cret' }, settings: { upstream_auth } };
    await callJson(prepare('act', { url: fake.url }, over));
    expect(fake.requests.at(-1)?.headers['x-key']).toBe('s3cret');
    const auth = { auth_type: 'basic', username: 'gate', password: `\${API_KEY}` };
    await callJson(prepare('act', { url: fake.url }, { ...over, template: { auth } }));
    expect(fake.requests.at(-1)?.headers).toMatchObject({
      authorization: `Basic ${Buffer.from('gate:s3cret').toString('base64')}`,
    });
    expect(fake.requests.at(-1)?.headers['x-key']).toBeUndefined();
  });

  it('gets an oauth2 token, and asks for another when it is refused', async () => {
    let issued = 0;
    const issuer = createServer((_request, response) => {
      issued += 1;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ access_token: `token-${issued}`, token_type: 'bearer', expires_in: 3_600 }));
    }).listen(0, '127.0.0.1');
    await once(issuer, 'listening');
    const address = issuer.address();
    const fake = await startFake();
    fake.intercept = (request, response) => {
      if (request.headers.authorization !== 'Bearer token-1') return false;
      response.writeHead(401).end();
      return true;
    };
    const { prepare, protocol } = createHarness();
    const token_url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/token`;
    const auth = { auth_type: 'oauth2', token_url, client_id: 'gate', client_secret: 'secret' };
    expect(await callJson(prepare('act', { url: fake.url }, { template: { auth } }))).toBe('done');
    expect(issued).toBe(2);
    expect(fake.requests.at(-1)?.headers.authorization).toBe('Bearer token-2');
    await protocol.close();
    issuer.close();
  });

  it.each([
    ['a private address that is not named', 'http://127.0.0.1:9/mcp', []],
    ['plain text to a public host', 'http://mcp.example.com/mcp', []],
    ['a host that only begins like a named one (GHSA-ppx3-28rw-8fpf)', 'http://127.0.0.1.evil.example/', ['127.0.0.1']],
    ['the metadata service', 'http://169.254.169.254/mcp', ['127.0.0.1']],
  ])('is refused at load: %s', (_what, url, hosts) => {
    const { prepare } = createHarness();
    expect(() => prepare('act', { url }, { settings: { allow_private_hosts: hosts } })).toThrow(LoadError);
  });

  it('is not followed to where it redirects (GHSA-9qhg-99ww-9mqc)', async () => {
    let reached = 0;
    const inner = createServer((_request, response) => {
      reached += 1;
      response.end();
    }).listen(0, '127.0.0.1');
    await once(inner, 'listening');
    const address = inner.address();
    const fake = await startFake();
    const location = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/`;
    fake.intercept = (_request, response) => {
      response.writeHead(307, { location }).end();
      return true;
    };
    const { prepare } = createHarness();
    expect((await catchError(() => callJson(prepare('act', { url: fake.url })))).code).toBe('upstream_unavailable');
    inner.close();
    expect(reached).toBe(0);
  });

  it('says that the credential was refused, and nothing else of the answer', async () => {
    const fake = await startFake();
    fake.intercept = (_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer' }).end('internal name of the identity provider');
      return true;
    };
    const { prepare } = createHarness();
    const error = await catchError(() => callJson(prepare('act', { url: fake.url })));
    expect(error).toMatchObject({ code: 'upstream_unavailable', reason: 'upstream_auth' });
    expect(JSON.stringify(error.details.detail ?? '')).not.toContain('identity');
  });

  it('opens a new session when the server has forgotten the old one', async () => {
    const fake = await startFake();
    const { prepare, protocol } = createHarness();
    const act = prepare('act', { url: fake.url });
    await callJson(act);
    let isForgotten = true;
    fake.intercept = (_request, response) => {
      if (!isForgotten) return false;
      isForgotten = false;
      response.writeHead(404).end();
      return true;
    };
    expect(await catchError(() => callJson(act))).toMatchObject({ code: 'upstream_failed', reason: 'upstream_status' });
    expect(await callJson(act)).toBe('done');
    expect(protocol.health()[0]?.state).toBe('up');
  });

  const cases: readonly (readonly [string, CallHandler, Readonly<Record<string, string>>])[] = [
    [
      'a JSON answer over the cap',
      (response, id) => sendJson(response, textResult(id, 'x'.repeat(200_000))),
      { code: 'upstream_too_large' },
    ],
    [
      'an event over the cap',
      (response, id) => startStream(response).end(`data: ${JSON.stringify(textResult(id, 'x'.repeat(200_000)))}\n\n`),
      { code: 'upstream_too_large' },
    ],
    [
      'a stream that ends without the answer',
      (response) => startStream(response).end(': nothing\n\n'),
      { code: 'upstream_failed', reason: 'stream_ended' },
    ],
    [
      'a stream that is cut off',
      (response) => {
        startStream(response).write('data: {"json');
        setTimeout(() => response.destroy(), 20);
      },
      { code: 'upstream_failed', reason: 'stream_ended' },
    ],
    [
      'an answer that is no JSON',
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>'),
      { code: 'upstream_invalid', reason: 'content_type' },
    ],
    [
      'a status of failure',
      (response) => response.writeHead(500).end('stack trace'),
      { code: 'upstream_failed', reason: 'upstream_status' },
    ],
    ['a connection that is cut', (response) => response.destroy(), { code: 'upstream_failed', reason: 'connection' }],
  ];
  it.each(cases)('fails the call at once for %s', async (_what, onCall, expected) => {
    const fake = await startFake(onCall);
    const { prepare } = createHarness();
    const act = prepare('act', { url: fake.url }, { settings: { max_response_bytes: 100_000 } });
    const startedAt = performance.now();
    expect(await catchError(() => callJson(act))).toMatchObject(expected);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });

  it('gets many events in one stream, each under the cap', async () => {
    const fake = await startFake((response, id) => {
      startStream(response);
      for (let n = 0; n < 50; n += 1) response.write(`: ${'x'.repeat(10_000)}\r\n\r\n`);
      response.end(`data: ${JSON.stringify(textResult(id, 'after them'))}\r\n\r\n`);
    });
    const { prepare } = createHarness();
    const act = prepare('act', { url: fake.url }, { settings: { max_response_bytes: 100_000 } });
    expect(await callJson(act)).toBe('after them');
  });

  it('is told of a call that is cancelled', async () => {
    const fake = await startFake(() => undefined);
    const { prepare } = createHarness();
    const act = prepare('act', { url: fake.url });
    const scope = makeScope();
    const error = catchError(async () => act.call({}, scope));
    await eventually(
      () => fake.requests.length,
      (count) => count >= 4,
    );
    await sleep(50);
    const before = fake.requests.length;
    scope.cancel('client_aborted');
    expect((await error).code).toBe('client_aborted');
    expect(
      await eventually(
        () => fake.requests.length,
        (count) => count > before,
      ),
    ).toBeGreaterThan(before);
  });
});
