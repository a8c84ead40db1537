import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { request } from 'undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Outbox } from '../../src/routes/outbox.js';
import { addressOf } from '../support/provider.js';

let server: Server;
let port = 0;
let responses: ServerResponse[] = [];
/** How many answers had been written when each request was dealt with. */
let written: number[] = [];

beforeAll(async () => {
  const outbox = new Outbox();
  server = createServer((asked, response) => {
    const body = Buffer.from(`answer to ${asked.url};`);
    response.writeHead(200, ['content-length', String(body.length)]);
    if (asked.url === '/hung-up') asked.socket.destroy();
    responses.push(response);
    outbox.end(response, body);
    written.push(responses.filter(({ writableEnded }) => writableEnded).length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = addressOf(server).port;
});
beforeEach(() => {
  responses = [];
  written = [];
});
afterAll(() => server.close());

const listPaths = (count: number) => Array.from({ length: count }, (_, index) => `/${index}`);
const ask = async (path: string) => (await request(`http://127.0.0.1:${port}${path}`)).body.text();

/** Sends requests in one packet, and waits for all their answers. */
async function askAtOnce(paths: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`).join(''));
  let answers = '';
  for await (const chunk of socket) {
    answers += String(chunk);
    if (answers.split('answer to').length > paths.length) return;
  }
}

describe('answers that are sent together', () => {
  it('go each to its own caller, whole', async () => {
    const paths = listPaths(100);
    expect(await Promise.all(paths.map(ask))).toEqual(paths.map((path) => `answer to ${path};`));
  });

  it('are written when all that came in with them has been dealt with', async () => {
    await askAtOnce(listPaths(5));
    expect(written).toEqual([0, 0, 0, 0, 0]);
  });

  it('wait for at most 32 others', async () => {
    await askAtOnce(listPaths(40));
    expect(written).toEqual([...Array<number>(31).fill(0), ...Array<number>(9).fill(32)]);
  });

  it('go out though one of the callers has hung up', async () => {
    const [, ...others] = await Promise.allSettled([ask('/hung-up'), ask('/1'), ask('/2')]);
    expect(others).toMatchObject([{ value: 'answer to /1;' }, { value: 'answer to /2;' }]);
  });
});
