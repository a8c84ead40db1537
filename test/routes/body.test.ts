import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEchoProtocols } from '../support/echo.js';
import { keyEntry, startServer, type TestServer } from '../support/server.js';

let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    config: {
      server: { max_body_bytes: 2000 },
      manuals: [{ name: 'm', source: 'm.yaml' }],
      policy: { roles: { all: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'one', roles: ['all'], api_keys: { current: keyEntry('key') } }],
    },
    files: {
      'm.yaml': {
        utcp_version: '1.1.0',
        manual_version: '1.0.0',
        tools: [
          {
            name: 'echo',
            description: 'Echoes',
            inputs: { type: 'object', properties: { q: { type: 'string' } } },
            tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/x' },
          },
        ],
      },
    },
    dependencies: { protocols: createEchoProtocols() },
  });
});
afterAll(() => server.close());

/** Opens a connection and sends the head of a call. */
async function begin(...headers: string[]) {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  await once(socket, 'connect');
  const head = ['POST /tools/m/echo HTTP/1.1', 'Host: a', 'Authorization: Bearer key', ...headers];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  return socket;
}

const chunk = (bytes: string) => `${bytes.length.toString(16)}\r\n${bytes}\r\n`;

describe('the body of a call', () => {
  it('arrives whole, however many packets it comes in', async () => {
    const socket = await begin('Transfer-Encoding: chunked', 'Connection: close');
    for (const part of ['{"q":"', 'a'.repeat(900), 'b'.repeat(900), '"}']) {
      socket.write(chunk(part));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    socket.write('0\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toContain('HTTP/1.1 200');
    expect(answer).toContain(`${'a'.repeat(900)}${'b'.repeat(900)}`);
  });

  it('is refused as soon as it is too large, and the connection with it, though its length was not told', async () => {
    const socket = await begin('Transfer-Encoding: chunked');
    socket.on('error', () => undefined);
    socket.write(chunk('x'.repeat(1500)));
    socket.write(chunk('x'.repeat(1500)));
    const answer = await text(socket);
    expect(answer).toContain('HTTP/1.1 413');
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(answer).toContain('body_too_large');
  });

  it('is refused unread when its told length is too large', async () => {
    const socket = await begin('Content-Length: 2001');
    const answer = await text(socket);
    expect(answer).toContain('HTTP/1.1 413');
  });

  it('that breaks off leaves one event and nothing in flight', async () => {
    const before = server.sink.events.length;
    const socket = await begin('Content-Length: 100');
    socket.write('{"q":');
    await expect.poll(() => server.server.gate.active).toBe(1);
    socket.destroy();
    await expect.poll(() => server.server.gate.active).toBe(0);
    const events = server.sink.events.slice(before).filter(({ event }) => event !== 'auth.success');
    expect(events.map(({ event, reason }) => [event, reason])).toEqual([['tool.call', 'client_aborted']]);
  });

  it('may be empty, and of any content type', async () => {
    for (const head of [['Content-Length: 0'], ['Content-Type: text/plain', 'Content-Length: 2']]) {
      const socket = await begin(...head, 'Connection: close');
      if (head.length === 2) socket.write('{}');
      expect(await text(socket)).toContain('HTTP/1.1 200');
    }
  });
});
