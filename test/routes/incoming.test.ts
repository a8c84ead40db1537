import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DivertibleMessage } from '../../src/routes/incoming.js';
import { addressOf } from '../support/provider.js';

let server: Server;
let port = 0;
/** What the last request did when it was asked for its body. */
let diverted: boolean | undefined;

beforeAll(async () => {
  server = createServer({ IncomingMessage: DivertibleMessage }, async (asked, response) => {
    if (asked.url === '/late') await wait(20);
    const chunks: Buffer[] = [];
    const sink = { add: (chunk: Buffer) => void chunks.push(chunk), end: () => response.end(Buffer.concat(chunks)) };
    diverted = asked.divert(sink);
    if (!diverted) asked.on('data', sink.add).on('end', sink.end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = addressOf(server).port;
});
afterAll(() => server.close());

const send = async (path: string, body: string) =>
  (await request(`http://127.0.0.1:${port}${path}`, { method: 'POST', body })).body.text();

describe('the body of a request', () => {
  it('goes past the stream when it is asked for at once', async () => {
    const body = 'x'.repeat(300_000);
    expect(await send('/', body)).toBe(body);
    expect(diverted).toBe(true);
  });

  it('comes whole out of the stream when some of it waits there already', async () => {
    expect(await send('/late', 'all of it')).toBe('all of it');
    expect(diverted).toBe(false);
  });

  it('keeps to its own request where several come in one packet', async () => {
    const socket = connect(port, '127.0.0.1');
    const post = (body: string, close = '') =>
      `POST / HTTP/1.1\r\nHost: a.example\r\n${close}Content-Length: ${body.length}\r\n\r\n${body}`;
    socket.write(post('one;') + post('') + post('three;', 'Connection: close\r\n'));
    const answers = (await text(socket)).split(/HTTP\/1\.1 200 OK\r\n/).map((answer) => answer.split('\r\n\r\n')[1]);
    expect(answers).toEqual([undefined, 'one;', '', 'three;']);
  });
});
