import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { describeCancel } from '../../src/protocols/cancellation.js';
import type { ProtocolRegistry } from '../../src/protocols/index.js';
import { eventually, openDescriptors } from '../support/processes.js';
import { bearer, keyEntry, loadFiles, startServer, type TestServer } from '../support/server.js';
import { runMany } from '../support/stream.js';

const inputs = {
  type: 'object',
  properties: { q: { type: 'string' }, wait_ms: { type: 'integer' } },
  additionalProperties: false,
};
const tool = (name: string) => ({
  name,
  description: name,
  inputs,
  tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/' },
});
const manual = {
  utcp_version: '1.1.0',
  manual_version: '1.0.0',
  tools: ['ask', 'few', 'closed', 'hidden'].map(tool),
};

const options = {
  config: {
    server: {
      websocket: {
        allowed_origins: ['https://app.example'],
        max_connections_per_caller: 3,
        max_message_bytes: 2048,
        // A reload on a busy machine holds client and server for longer than a short beat, which would end the connection.
        heartbeat_s: 0.7,
      },
    },
    manuals: [{ name: 'm', source: 'm.yaml' }],
    policy: {
      roles: { user: { discover: ['m.ask', 'm.few', 'm.closed'], call: ['m.ask', 'm.few'] } },
    },
    callers: ['alice', 'bob'].map((id) => ({ id, roles: ['user'], api_keys: { current: keyEntry(`${id}-key`) } })),
    limits: { per_caller: {}, per_tool: { 'm.few': { per_minute: 2 } } },
  },
  files: { 'm.yaml': manual },
};

/** Echoes, waits where it is told to, and says how much it did at once. */
function createSlowEcho() {
  const seen = { running: 0, most: 0, cancelled: 0 };
  const protocols: ProtocolRegistry = {
    prepareTool: () => ({
      async call(args, scope) {
        seen.running++;
        seen.most = Math.max(seen.most, seen.running);
        const { wait_ms } = args;
        try {
          await new Promise<void>((resolve, reject) => {
            const timer = setTimeout(resolve, typeof wait_ms === 'number' ? wait_ms : 1);
            scope.onCancel((reason) => {
              clearTimeout(timer);
              seen.cancelled++;
              reject(describeCancel(reason));
            });
          });
          return { body: Buffer.from(JSON.stringify(args)) };
        } finally {
          seen.running--;
        }
      },
    }),
    async start() {},
    retain() {},
    health: () => [],
    async close() {},
  };
  return { seen, protocols };
}

let server: TestServer;
let upstream: ReturnType<typeof createSlowEcho>;
const clients: WebSocket[] = [];

beforeEach(async () => {
  upstream = createSlowEcho();
  server = await startServer({ ...options, dependencies: { protocols: upstream.protocols, report: () => undefined } });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  await server.close();
});

function connectTo(path = 'ask', headers: Record<string, string> = bearer('alice-key'), more: ClientOptions = {}) {
  const client = new WebSocket(`${server.url.replace('http', 'ws')}/tools/m/${path}/ws`, { headers, ...more });
  clients.push(client);
  client.on('error', () => undefined);
  return client;
}

async function open(path?: string, headers?: Record<string, string>, more?: ClientOptions): Promise<WebSocket> {
  const client = connectTo(path, headers, more);
  await once(client, 'open');
  return client;
}

/** What a refused handshake was answered with. */
function refusal(
  client: WebSocket,
): Promise<{ status: number | undefined; type: string | undefined; problem: { code: string } }> {
  return new Promise((resolve) => {
    client.once('unexpected-response', async (_request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const problem = JSON.parse(Buffer.concat(chunks).toString());
      resolve({ status: response.statusCode, type: response.headers['content-type'], problem });
    });
  });
}

async function ask(client: WebSocket, message: unknown) {
  const answer = once(client, 'message');
  client.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  const [data] = await answer;
  return JSON.parse(String(data));
}

describe('GET /tools/{manual}/{tool}/ws', () => {
  it('answers each message with its id and its result', async () => {
    const client = await open();
    expect(await ask(client, { id: 7, arguments: { q: 'é' } })).toEqual({ id: 7, result: { q: 'é' } });
    expect(await ask(client, { id: 'x', arguments: { q: '' } })).toEqual({ id: 'x', result: { q: '' } });
    expect(await ask(client, {})).toEqual({ result: {} });
  });

  it('answers messages as they are done, whatever their order', async () => {
    const client = await open();
    const answers: unknown[] = [];
    client.on('message', (data) => answers.push(JSON.parse(String(data)).id));
    client.send(JSON.stringify({ id: 'slow', arguments: { wait_ms: 100 } }));
    client.send(JSON.stringify({ id: 'fast', arguments: {} }));
    await expect.poll(() => answers).toEqual(['fast', 'slow']);
  });

  it('records each message as a call of its own, under the id of the handshake', async () => {
    const client = await open();
    await ask(client, { arguments: { q: '1' } });
    const { error } = await ask(client, { arguments: { q: 2 } });
    const calls = server.sink.of('tool.call');
    expect(calls).toMatchObject([{ outcome: 'success', caller: 'alice', tool: 'm.ask', status: 200 }]);
    expect(calls[0]?.request_id).toMatch(/\.1$/);
    expect(error.request_id).toMatch(/\.2$/);
    expect(server.sink.about(error.request_id)).toMatchObject([
      { event: 'input.rejected', tool: 'm.ask', caller: 'alice' },
    ]);
  });
});

describe('the handshake of an inbound websocket', () => {
  it.each([
    ['no credential', {}, 'ask', 401, 'unauthenticated'],
    ['a bad credential', bearer('wrong'), 'ask', 401, 'invalid_token'],
    ['a tool that is hidden from the caller', bearer('alice-key'), 'hidden', 404, 'not_found'],
    ['a tool that does not exist', bearer('alice-key'), 'none', 404, 'not_found'],
    ['a tool that the caller may see and not call', bearer('alice-key'), 'closed', 403, 'not_permitted'],
  ])('is refused with a problem document for %s', async (_name, headers, path, status, code) => {
    expect(await refusal(connectTo(path, headers))).toMatchObject({
      status,
      type: expect.stringContaining('application/problem+json'),
      problem: { code },
    });
    await expect.poll(() => server.server.gate.active).toBe(0);
  });

  it('is refused from an Origin that the configuration does not name, and taken from one that it does or from none', async () => {
    for (const origin of ['https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'null']) {
      expect(await refusal(connectTo('ask', bearer('alice-key'), { origin }))).toMatchObject({
        status: 403,
        problem: { code: 'not_permitted' },
      });
    }
    expect(server.sink.of('tool.denied')).toMatchObject(
      Array(4).fill({ reason: 'origin_not_allowed', caller: 'alice' }),
    );
    await open('ask', bearer('alice-key'), { origin: 'https://app.example' });
  });

  it('is refused beyond the connections of one caller, and taken again when one has closed', async () => {
    const first = await open();
    await Promise.all([open(), open()]);
    expect(await refusal(connectTo())).toMatchObject({ status: 429, problem: { code: 'rate_limited' } });
    expect(server.sink.of('limit.exceeded')).toMatchObject([{ limit: 'connections_per_caller', caller: 'alice' }]);
    await open('ask', bearer('bob-key'));
    first.close();
    await once(first, 'close');
    await expect.poll(() => server.server.gate.streams.size).toBe(3);
    await open();
  });

  it('leads nowhere but to a websocket endpoint, and leaves nothing behind', async () => {
    for (const path of ['/livez', '/utcp', '/tools/m/ask', '/nowhere']) {
      const client = new WebSocket(server.url.replace('http', 'ws') + path, { headers: bearer('alice-key') });
      client.on('error', () => undefined);
      expect((await refusal(client)).status).toBeGreaterThanOrEqual(400);
    }
    await expect.poll(() => server.server.gate.active).toBe(0);
  });

  it('leaves nothing behind when it is malformed', async () => {
    const { port } = new URL(server.url);
    for (const head of ['Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13', 'Sec-WebSocket-Version: 99', '']) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.write(
        `GET /tools/m/ask/ws HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer alice-key\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${head}\r\n\r\n`,
      );
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toMatch(/^HTTP\/1.1 4/);
      socket.destroy();
    }
    await expect.poll(() => server.server.gate.active).toBe(0);
    expect(server.server.gate.streams.size).toBe(0);
  });

  it('answers a request that is no handshake with a problem document', async () => {
    const response = await fetch(`${server.url}/tools/m/ask/ws`, { headers: bearer('alice-key') });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'malformed_request' });
  });
});

describe('the messages of an inbound websocket', () => {
  it('are validated: arguments that do not fit are named by pointer', async () => {
    const client = await open();
    const { id, error } = await ask(client, { id: 1, arguments: { q: 5, evil: 1 } });
    expect(id).toBe(1);
    expect(error).toMatchObject({ code: 'invalid_input', status: 400, title: 'Invalid input' });
    expect(error.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual(['/evil', '/q']);
  });

  it.each([
    ['text that is not JSON', '{', undefined],
    ['no object', '[1]', undefined],
    ['a binary message', Buffer.from('{}'), undefined],
    ['an unknown member', '{"id":1,"argument":{}}', 1],
    ['arguments that are no object', '{"id":1,"arguments":[]}', 1],
    ['an id that is an object', '{"id":{},"arguments":{}}', undefined],
    ['an id that is too long', JSON.stringify({ id: 'x'.repeat(201) }), undefined],
  ])('are refused without closing the connection: %s', async (_name, message, id) => {
    const client = await open();
    expect(await ask(client, message)).toMatchObject({
      ...(id && { id }),
      error: { code: 'malformed_body', status: 400 },
    });
    expect(await ask(client, {})).toEqual({ result: {} });
  });

  it('are rate-limited one by one, together with calls by HTTP', async () => {
    const client = await open('few');
    const call = { method: 'POST', headers: bearer('alice-key'), body: '{}' };
    expect((await fetch(`${server.url}/tools/m/few`, call)).status).toBe(200);
    expect(await ask(client, {})).toEqual({ result: {} });
    expect(await ask(client, { id: 3 })).toMatchObject({ id: 3, error: { code: 'rate_limited', status: 429 } });
    expect((await fetch(`${server.url}/tools/m/few`, call)).status).toBe(429);
    expect(server.sink.of('limit.exceeded')[0]).toMatchObject({ caller: 'alice', tool: 'm.few' });
  });

  it('over the size cap close the connection, and leave an event', async () => {
    const client = await open();
    const closed = once(client, 'close');
    client.send(JSON.stringify({ arguments: { q: 'x'.repeat(2048) } }));
    expect((await closed)[0]).toBe(1009);
    expect(server.sink.of('input.rejected')).toMatchObject([
      { reason: 'body_too_large', caller: 'alice', tool: 'm.ask' },
    ]);
  });

  it('are authorised anew: a reload that takes the tool away is in force with the next one', async () => {
    const client = await open();
    expect(await ask(client, {})).toEqual({ result: {} });
    const config = { ...options.config, policy: { roles: { user: { discover: ['m.few'], call: ['m.few'] } } } };
    await server.server.apply(await loadFiles(server.directory, { ...options, config }));
    expect(await ask(client, {})).toMatchObject({ error: { code: 'not_found', status: 404 } });
  });

  it('are authenticated anew: one whose credential is no longer good is refused, and the connection closed', async () => {
    const client = await open();
    const config = { ...options.config, callers: options.config.callers.slice(1) };
    await server.server.apply(await loadFiles(server.directory, { ...options, config }));
    const closed = once(client, 'close');
    expect(await ask(client, { id: 1 })).toMatchObject({ id: 1, error: { code: 'invalid_token', status: 401 } });
    expect((await closed)[0]).toBe(1008);
    expect(server.sink.of('auth.failure')).toHaveLength(1);
  });

  it('are worked on a few at a time, however many a client sends at once, and none is lost', async () => {
    const client = await open();
    const answered = new Set<number>();
    client.on('message', (data) => answered.add(JSON.parse(String(data)).id));
    for (let id = 0; id < 500; id++) client.send(JSON.stringify({ id }));
    await expect.poll(() => answered.size, { timeout: 10_000 }).toBe(500);
    expect(upstream.seen.most).toBeLessThanOrEqual(8);
  });
});

describe('the end of an inbound websocket', () => {
  it('comes when the client no longer answers the heartbeat', async () => {
    const client = await open('ask', bearer('alice-key'), { autoPong: false });
    const [code] = await once(client, 'close');
    expect(code).toBe(1006);
    await expect.poll(() => server.server.gate.streams.size).toBe(0);
  });

  it('does not come while the client answers the heartbeat', async () => {
    const client = await open();
    await sleep(2_200);
    expect(await ask(client, {})).toEqual({ result: {} });
  });

  it('ends the calls of a client that goes away', async () => {
    const client = await open();
    client.send(JSON.stringify({ arguments: { wait_ms: 10_000 } }));
    await expect.poll(() => upstream.seen.running).toBe(1);
    client.terminate();
    await expect.poll(() => upstream.seen.cancelled).toBe(1);
    await expect.poll(() => server.sink.of('tool.call')).toMatchObject([{ reason: 'client_aborted', status: 499 }]);
  });

  it('says that the server goes away, after the calls in flight are answered', async () => {
    const client = await open();
    const idle = await open();
    const idleClosed = once(idle, 'close');
    const closed = once(client, 'close');
    const answer = ask(client, { id: 1, arguments: { wait_ms: 200 } });
    await expect.poll(() => upstream.seen.running).toBe(1);
    const closing = server.close();
    expect(await answer).toEqual({ id: 1, result: { wait_ms: 200 } });
    expect((await closed)[0]).toBe(1001);
    expect((await idleClosed)[0]).toBe(1001);
    await closing;
  });

  it('leaves nothing behind after 200 connections and 1,000 messages, broken ones included', async () => {
    const before = openDescriptors();
    await runMany(200, 2, async (index) => {
      const client = await open();
      for (let id = 0; id < 5; id++) expect(await ask(client, { id })).toMatchObject({ id });
      if (index % 3 === 0) client.send(JSON.stringify({ arguments: { wait_ms: 5000 } }));
      if (index % 2 === 0) client.terminate();
      else client.close();
      await once(client, 'close');
      await eventually(
        () => server.server.gate.streams.size,
        (open) => open < 3,
      );
    });
    await expect.poll(() => server.server.gate.active).toBe(0);
    expect(server.server.gate.streams.size).toBe(0);
    expect(server.server.gate.calls.size).toBe(0);
    expect(await eventually(openDescriptors, (now) => now <= before)).toBeLessThanOrEqual(before);
  }, 60_000);
});
