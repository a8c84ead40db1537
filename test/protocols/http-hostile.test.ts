import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { portOf } from '../support/websocket-upstream.js';

/** An upstream that answers each request with bytes of its own choosing; `answer` may go on writing. */
async function startRaw(answer: (socket: Socket, request: string) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => answer(socket, chunk.toString('latin1')));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${portOf(server)}` };
}

const head = (...lines: readonly string[]) => `HTTP/1.1 ${lines.join('\r\n')}\r\n\r\n`;
const json = 'Content-Type: application/json';
const once = { settings: { max_retries: 0, max_response_bytes: 1000, allow_private_hosts: ['127.0.0.1'] } };

/** The reason code of the failure that a fixed answer leads to, or the result where there is one. */
async function outcomeOf(answer: string | Buffer, end = false): Promise<unknown> {
  const upstream = await startRaw((socket) => {
    socket.write(answer);
    if (end) socket.end();
  });
  const prepared = prepare({ url: `${upstream.url}/x` }, [], once);
  return call(prepared, {}, makeScope(500)).catch((error: { code: unknown }) => error.code);
}

describe('an upstream that does not keep to HTTP', () => {
  it.each<[string, string, unknown]>([
    ['speaks another protocol', 'SSH-2.0-OpenSSH_9.6\r\n', 'upstream_failed'],
    ['says nothing and goes', '', 'upstream_failed'],
    ['breaks off in the head', 'HTTP/1.1 200 OK\r\nContent-Ty', 'upstream_failed'],
    ['sends fewer bytes than it announced', `${head('200 OK', json, 'Content-Length: 10')}{"a"`, 'upstream_failed'],
    [
      'announces a length twice',
      `${head('200 OK', json, 'Content-Length: 2', 'Content-Length: 40')}{}`,
      'upstream_failed',
    ],
    [
      'announces a length and chunks',
      `${head('200 OK', json, 'Content-Length: 2', 'Transfer-Encoding: chunked')}{}`,
      'upstream_failed',
    ],
    ['announces a negative length', `${head('200 OK', json, 'Content-Length: -5')}{}`, 'upstream_failed'],
    [
      'sends a chunk that is no chunk',
      `${head('200 OK', json, 'Transfer-Encoding: chunked')}zz\r\n{}\r\n`,
      'upstream_failed',
    ],
    ['breaks off in a chunk', `${head('200 OK', json, 'Transfer-Encoding: chunked')}ff\r\n{}`, 'upstream_failed'],
    [
      'switches protocols unasked',
      head('101 Switching Protocols', 'Upgrade: x', 'Connection: Upgrade'),
      'upstream_failed',
    ],
    ['sends a head without measure', `HTTP/1.1 200 OK\r\n${'X-A: aaaaaaaa\r\n'.repeat(20_000)}\r\n`, 'upstream_failed'],
    ['folds a header', `${head('200 OK', 'X-A: a\r\n b', json, 'Content-Length: 2')}{}`, 'upstream_failed'],
  ])('that %s is a failed call', async (_what, answer, expected) => {
    expect(await outcomeOf(answer, true)).toBe(expected);
  });

  it('is called by what it does, and is not asked again', async () => {
    let requests = 0;
    const upstream = await startRaw((socket) => {
      requests++;
      socket.end('SSH-2.0-OpenSSH_9.6\r\n');
    });
    const prepared = prepare({ url: `${upstream.url}/x` }, [], { settings: { ...once.settings, max_retries: 2 } });
    expect(await failure(prepared)).toMatchObject({ code: 'upstream_failed', reason: 'answer_malformed' });
    expect(requests).toBe(1);
  });

  it.each<[string, string, unknown]>([
    ['no content', head('204 No Content'), null],
    ['hints ahead of it', `${head('103 Early Hints', 'Link: </x>')}${head('200 OK', json, 'Content-Length: 1')}7`, 7],
    ['not modified, which nobody asked for', head('304 Not Modified', 'Content-Length: 5'), 'upstream_failed'],
    ['choices without a place', head('300 Multiple Choices', 'Content-Length: 0'), 'upstream_failed'],
    ['a teapot', `${head("418 I'm a teapot", json, 'Content-Length: 2')}{}`, 'upstream_failed'],
    ['a status that does not exist', `${head('799 Odd', json, 'Content-Length: 2')}{}`, 'upstream_failed'],
    ['JSON in broken UTF-8', `${head('200 OK', json, 'Content-Length: 4')}"\u00ff\u00fe"`, 'upstream_invalid'],
    [
      'a text in broken UTF-8',
      `${head('200 OK', 'Content-Type: text/plain', 'Content-Length: 2')}\u00ff\u00fe`,
      { content_type: 'text/plain', base64: '//4=' },
    ],
  ])('an answer of %s', async (_what, answer, expected) => {
    expect(await outcomeOf(Buffer.from(answer, 'latin1'))).toEqual(expected);
  });

  it('cannot answer a call with a bomb: what is compressed is refused, not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const small = gzipSync('{}');
    for (const body of [bomb, small]) {
      const start = head('200 OK', json, 'Content-Encoding: gzip', `Content-Length: ${body.length}`);
      expect(await outcomeOf(Buffer.concat([Buffer.from(start), body]))).toMatch(/^upstream_(invalid|too_large)$/);
    }
  });

  it('cannot answer the next call beforehand: what follows an answer unasked ends the connection', async () => {
    let requests = 0;
    const upstream = await startRaw((socket) => {
      requests++;
      const own = `${head('200 OK', json, 'Content-Length: 1')}${requests}`;
      socket.write(own + (requests === 1 ? `${head('200 OK', json, 'Content-Length: 6')}"evil"` : ''));
    });
    const prepared = prepare({ url: `${upstream.url}/x`, http_method: 'POST' }, [], once);
    const first = await call(prepared).catch((error: { code: unknown }) => error.code);
    expect([1, 'upstream_failed']).toContain(first);
    expect(await call(prepared)).toBe(2);
  });

  it.each<[string, string, string]>([
    ['its head', 'HTTP/1.1 200 OK\r\nX-A: ', 'a'],
    ['hints without end', '', head('103 Early Hints')],
    ['its body', head('200 OK', json, 'Content-Length: 900'), ' '],
    ['chunks', head('200 OK', json, 'Transfer-Encoding: chunked'), '1\r\n \r\n'],
    ['the body of a refusal', head('500 No', json, 'Transfer-Encoding: chunked'), '1\r\n \r\n'],
  ])('that dribbles %s is cut at the deadline of the call', async (_what, start, drop) => {
    let cut = 0;
    const upstream = await startRaw((socket) => {
      socket.write(start);
      const dribble = setInterval(() => socket.write(drop), 10);
      socket.on('close', () => {
        clearInterval(dribble);
        cut++;
      });
    });
    const prepared = prepare({ url: `${upstream.url}/x` }, [], once);
    expect((await failure(prepared, {}, makeScope(200))).code).toBe('upstream_timeout');
    await expect.poll(() => cut).toBe(1);
  });

  it('that sends without end is cut at the size cap', async () => {
    let cut = 0;
    const upstream = await startRaw((socket) => {
      socket.on('close', () => {
        cut++;
      });
      socket.write(head('200 OK', json));
      const pour = () => {
        while (socket.writable && socket.write(Buffer.alloc(65_536, 0x20)));
      };
      socket.on('drain', pour);
      pour();
    });
    const prepared = prepare({ url: `${upstream.url}/x` }, [], once);
    expect((await failure(prepared)).code).toBe('upstream_too_large');
    await expect.poll(() => cut).toBe(1);
  });
});

describe('arguments that try to become another request', () => {
  const injected = [
    'x HTTP/1.1\r\nHost: evil\r\n\r\nGET /admin HTTP/1.1',
    'x\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n',
    '../admin',
    '%2e%2e/admin',
    '..%2fadmin',
    '..\\admin',
    'a?admin=1#',
    'a&admin=1',
    ';admin=1',
    '\u560a\u560dx-evil: 1',
  ];

  it.each(injected)('%j stays in its one place of path, query, header or body', async (value) => {
    const seen: string[] = [];
    const upstream = await startRaw((socket, request) => {
      seen.push(request);
      socket.write(`${head('200 OK', json, 'Content-Length: 2')}{}`);
    });
    const { registry } = makeRegistry();
    const inputs = ['p', 'q', 'h', 'b'];
    const template = {
      http_method: 'POST',
      url: `${upstream.url}/files/{p}?q={q}`,
      header_fields: ['h'],
      body_field: 'b',
    };
    const prepared = prepare(template, inputs, once, registry);
    await call(prepared, { p: value, q: value, h: 'plain', b: value });
    await failure(prepared, { p: 'x', q: 'x', h: `${value}\r\nx-evil: 1`, b: 'x' });
    await sleep(20);
    const [request = '', ...more] = seen;
    expect(more).toEqual([]);
    const [line = '', ...lines] = request.split('\r\n');
    const target = new URL(line.split(' ')[1] ?? '', 'http://x');
    expect(line.split(' ')).toHaveLength(3);
    expect(target.pathname.split('/').slice(0, 2)).toEqual(['', 'files']);
    expect(target.pathname.split('/')).toHaveLength(3);
    expect(decodeURIComponent(target.pathname.slice('/files/'.length))).toBe(value);
    expect([...target.searchParams]).toEqual([['q', value]]);
    expect(lines.some((header) => /^x-evil|^host: evil/i.test(header))).toBe(false);
    expect(JSON.parse(Buffer.from(request.split('\r\n\r\n').slice(1).join('\r\n\r\n'), 'latin1').toString())).toBe(
      value,
    );
  });
});
