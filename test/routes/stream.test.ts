import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { CallScope, GatehouseError, type StreamItem } from '../../src/core/index.js';
import { describeCancel } from '../../src/protocols/cancellation.js';
import { type StreamAnswer, type StreamOutcome, writeBytes, writeNdjson, writeSse } from '../../src/routes/stream.js';
import { whenStill } from '../support/processes.js';

const answer: StreamAnswer = {
  headers: { 'x-request-id': 'request-1' },
  describeProblem: (error) => JSON.stringify({ code: error.code, status: error.status, title: error.title }),
};

type Writer = typeof writeSse;
interface Served {
  readonly port: number;
  readonly scope: CallScope;
  readonly outcome: Promise<StreamOutcome>;
}

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

async function serve(
  write: Writer,
  items: (scope: CallScope) => AsyncIterable<StreamItem>,
  more = {},
): Promise<Served> {
  const scope = new CallScope('request-1', 10_000, 'alice');
  let settle: (outcome: Promise<StreamOutcome>) => void = () => undefined;
  const outcome = new Promise<StreamOutcome>((resolve) => {
    settle = resolve;
  });
  const server = createServer((_request: IncomingMessage, response: ServerResponse) => {
    const written = write(response, items(scope), scope, { ...answer, ...more });
    written.catch((error: unknown) => {
      const status = error instanceof GatehouseError ? error.status : 500;
      response.writeHead(status).end();
    });
    settle(written);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: portOf(server), scope, outcome };
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server does not listen.');
  return address.port;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly complete: boolean;
}

async function get(port: number): Promise<Answer> {
  const sent = request({ port, host: '127.0.0.1', agent: false }).end();
  const [response]: IncomingMessage[] = await once(sent, 'response');
  if (!response) throw new Error('No response.');
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response) chunks.push(chunk);
  } catch {
    // A connection that was cut: `complete` says so.
  }
  return {
    status: response.statusCode,
    headers: response.headers,
    text: Buffer.concat(chunks).toString(),
    complete: response.complete,
  };
}

async function* of(...items: (StreamItem | Error)[]): AsyncGenerator<StreamItem> {
  for (const item of items) {
    if (item instanceof Error) throw item;
    yield item;
  }
}

/** Items without end that honour the scope, as a protocol does. */
async function* endless(scope: CallScope, data: string, seen: { items: number; ended: boolean }) {
  try {
    for (;;) {
      if (scope.cancelled) throw describeCancel(scope.cancelled);
      seen.items += 1;
      yield { data };
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    seen.ended = true;
  }
}

async function openReader(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  return socket;
}

describe('writeSse', () => {
  it('writes LF line ends, a space after the colon and a blank line after the last event', async () => {
    const { port, outcome } = await serve(writeSse, () =>
      of({ data: '{"a":1}' }, { data: '2', event: 'tick', id: '7' }, { data: '3', event: 'message' }),
    );
    const got = await get(port);
    expect(got.text).toBe('data: {"a":1}\n\nevent: tick\nid: 7\ndata: 2\n\ndata: 3\n\n');
    expect(got.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store, no-transform',
      'x-request-id': 'request-1',
    });
    expect(await outcome).toEqual({ items: 3, bytes: 51, error: undefined });
  });

  it('escapes JSON to ASCII without changing what it says', async () => {
    const value = { text: 'grüße 🦉 \u2028 \x7f', 'schlüssel\t': '\n' };
    const { port } = await serve(writeSse, () => of({ data: `\t${JSON.stringify(value)}` }));
    const { text } = await get(port);
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(JSON.parse(text.replace(/^data: /, ''))).toEqual(value);
  });

  it('lets no event name or id of an upstream start a line of its own', async () => {
    const { port } = await serve(writeSse, () => of({ data: '1', event: 'a\ndata: 2', id: 'b\r\n' }));
    expect((await get(port)).text).toBe('data: 1\n\n');
  });

  it('answers a failure before the first event with its own status', async () => {
    const { port, outcome } = await serve(writeSse, () => of(new GatehouseError('upstream_unavailable')));
    outcome.catch(() => undefined);
    expect((await get(port)).status).toBe(503);
    await expect(outcome).rejects.toMatchObject({ code: 'upstream_unavailable' });
  });

  it('ends a stream that fails later with an error event', async () => {
    const { port, outcome } = await serve(writeSse, () => of({ data: '1' }, new GatehouseError('upstream_timeout')));
    const got = await get(port);
    expect(got.text).toBe(
      'data: 1\n\nevent: error\ndata: {"code":"upstream_timeout","status":504,"title":"Upstream timed out"}\n\n',
    );
    expect(await outcome).toMatchObject({ items: 1, error: { code: 'upstream_timeout' } });
  });

  it('ends with a closing event when the server drains', async () => {
    const seen = { items: 0, ended: false };
    const { port, scope, outcome } = await serve(writeSse, (own) => endless(own, '1', seen));
    const got = get(port);
    await expect.poll(() => seen.items).toBeGreaterThan(1);
    scope.cancel('draining');
    const { text, complete } = await got;
    expect(complete).toBe(true);
    expect(text).toMatch(/data: 1\n\nevent: closing\ndata: \{"code":"draining",.*\}\n\n$/);
    expect(await outcome).toMatchObject({ error: { code: 'draining' } });
    expect(seen.ended).toBe(true);
  });

  it('tells that it is alive while no event comes', async () => {
    async function* slow(): AsyncGenerator<StreamItem> {
      yield { data: '1' };
      await sleep(100);
      yield { data: '2' };
    }
    const { port } = await serve(writeSse, slow, { heartbeat_ms: 20 });
    expect((await get(port)).text).toMatch(/^data: 1\n\n(:\n\n)+data: 2\n\n$/);
  });

  it('sends the head of a stream whose first event is long in coming', async () => {
    const { port, scope } = await serve(writeSse, async function* (own): AsyncGenerator<StreamItem> {
      await new Promise<void>((resolve) => own.onCancel(() => resolve()));
      throw new GatehouseError('client_aborted');
    });
    const sent = request({ port, host: '127.0.0.1', agent: false }).end();
    const [response]: IncomingMessage[] = await once(sent, 'response');
    expect(response?.statusCode).toBe(200);
    response?.on('error', () => undefined);
    sent.destroy();
    await expect.poll(() => scope.cancelled).toBe('client_aborted');
  });

  it('reads no further than a slow reader reads', async () => {
    const seen = { items: 0, ended: false };
    const { port } = await serve(writeSse, (scope) => endless(scope, `"${'x'.repeat(65_536)}"`, seen));
    const reader = await openReader(port);
    reader.pause();
    const before = await whenStill(() => seen.items);
    expect(before).toBeLessThan(200);
    reader.resume();
    await expect.poll(() => seen.items).toBeGreaterThan(before);
    reader.destroy();
    await expect.poll(() => seen.ended).toBe(true);
  });

  it('cuts a reader that takes nothing at all', async () => {
    const seen = { items: 0, ended: false };
    const items = (scope: CallScope) => endless(scope, `"${'x'.repeat(65_536)}"`, seen);
    const { port, outcome } = await serve(writeSse, items, { stall_ms: 100 });
    const reader = await openReader(port);
    reader.pause();
    expect(await outcome).toMatchObject({ error: { code: 'client_aborted' } });
    expect(seen.ended).toBe(true);
    reader.destroy();
  });

  it('tells the upstream at once that the client went away', async () => {
    const seen = { items: 0, ended: false };
    const { port, scope, outcome } = await serve(writeSse, (own) => endless(own, '1', seen));
    const reader = await openReader(port);
    await once(reader, 'data');
    const started = performance.now();
    reader.destroy();
    expect(await outcome).toMatchObject({ error: { code: 'client_aborted' } });
    expect(performance.now() - started).toBeLessThan(1000);
    expect(scope.cancelled).toBe('client_aborted');
    expect(seen.ended).toBe(true);
  });

  it('leaves a reader that stalls while the server drains no longer than the stall time', async () => {
    const seen = { items: 0, ended: false };
    const items = (scope: CallScope) => endless(scope, `"${'x'.repeat(65_536)}"`, seen);
    const { port, scope, outcome } = await serve(writeSse, items, { stall_ms: 300 });
    const reader = await openReader(port);
    reader.pause();
    await sleep(100);
    scope.cancel('draining');
    expect(await outcome).toMatchObject({ error: { code: 'draining' } });
    const closed = once(reader, 'close');
    reader.on('error', () => undefined);
    await sleep(400);
    reader.resume();
    await closed;
  });
});

describe('writeNdjson', () => {
  it('writes application/x-ndjson without a line end after the last line', async () => {
    const { port } = await serve(writeNdjson, () => of({ data: '{"a":"ü"}' }, { data: Buffer.from('hi') }));
    const got = await get(port);
    expect(got.headers['content-type']).toBe('application/x-ndjson');
    expect(got.text).toBe('{"a":"ü"}\n{"base64":"aGk="}');
  });

  it('ends a line soon, so that a reader by lines need not wait for the next one', async () => {
    let release: () => void = () => undefined;
    const isRead = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { port } = await serve(writeNdjson, async function* (): AsyncGenerator<StreamItem> {
      yield { data: '1' };
      await isRead;
      yield { data: '2' };
    });
    const sent = request({ port, host: '127.0.0.1', agent: false }).end();
    const [response]: IncomingMessage[] = await once(sent, 'response');
    let text = '';
    for await (const chunk of response ?? []) {
      text += String(chunk);
      if (text === '1\n') release();
    }
    expect(text).toBe('1\n2');
  });

  it('takes a line of 128 KiB and refuses one byte more', async () => {
    const line = `"${'x'.repeat(128 * 1024 - 2)}"`;
    const fits = await serve(writeNdjson, () => of({ data: line }));
    expect((await get(fits.port)).text).toBe(line);
    const over = await serve(writeNdjson, () => of({ data: `${line} ` }));
    over.outcome.catch(() => undefined);
    expect((await get(over.port)).status).toBe(502);
  });

  it('cuts the connection of a stream that fails, so that no part passes for the whole', async () => {
    const { port } = await serve(writeNdjson, () => of({ data: '1' }, new GatehouseError('upstream_failed')));
    const got = await get(port);
    expect(got.complete).toBe(false);
    expect(got.text).toBe('1\n{"error":{"code":"upstream_failed","status":502,"title":"Upstream failed"}}\n');
  });
});

describe('writeBytes', () => {
  it('hands the bytes of the upstream on as they are', async () => {
    const bytes = Buffer.from([0, 1, 254, 255]);
    const { port } = await serve(writeBytes, () => of({ data: bytes.subarray(0, 1) }, { data: bytes.subarray(1) }));
    const sent = request({ port, host: '127.0.0.1', agent: false }).end();
    const [response]: IncomingMessage[] = await once(sent, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of response ?? []) chunks.push(chunk);
    expect(Buffer.concat(chunks)).toEqual(bytes);
  });

  it('cuts the connection of a stream that fails', async () => {
    const { port } = await serve(writeBytes, () =>
      of({ data: Buffer.from('x') }, new GatehouseError('upstream_failed')),
    );
    expect(await get(port)).toMatchObject({ text: 'x', complete: false });
  });
});
