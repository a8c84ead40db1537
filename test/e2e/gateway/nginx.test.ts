import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { describeFeed, type Feed, startFeed } from '../../support/feed.js';
import { endSession } from '../../support/http2.js';
import { startNginx, type TestNginx } from '../../support/nginx.js';
import { findFreePort } from '../../support/port.js';
import { describeWithProgram } from '../../support/requirement.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';

const run = promisify(execFile);
const child = join(import.meta.dirname, '../../support/official-process.js');

describeWithProgram('nginx', 'behind nginx with TLS, as deployed', () => {
  let feed: Feed;
  let server: TestServer;
  let nginx: TestNginx;
  let agent: { readonly ca: string; readonly headers: Record<string, string> };
  beforeAll(async () => {
    feed = await startFeed();
    const port = await findFreePort();
    const callers = [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }];
    server = await startServer(
      describeFeed(feed.origin, {
        callers,
        server: { public_url: `https://localhost:${port}`, trust_proxy: ['127.0.0.1'] },
      }),
    );
    nginx = await startNginx({ replicas: [placeOf(server)] }, port);
    agent = { ca: nginx.ca, headers: bearer('k') };
  });
  afterAll(async () => {
    await nginx?.close();
    await server?.close();
    await feed?.close();
  });

  it('the official client, unmodified, registers the manual and calls by the published URLs', async () => {
    const calls = [
      { tool: 'get_item', args: { id: 'a/b ?#%é' } },
      { tool: 'create_item', args: { item: { title: 'é' } } },
    ];
    const input = JSON.stringify({ url: nginx.url, key: 'k', calls });
    const { stdout } = await run(process.execPath, [child, input], {
      env: { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: nginx.ca_file },
      cwd: join(import.meta.dirname, '../../..'),
    });
    const { errors, tools, results } = JSON.parse(stdout);
    expect(errors).toEqual([]);
    expect(tools).toContain('gate.get_item');
    expect(results).toEqual([
      { method: 'GET', url: '/items/a%2Fb%20%3F%23%25%C3%A9', body: '' },
      { method: 'POST', url: '/items', body: '{"title":"é"}' },
    ]);
  });

  it('the address in the log is the client’s, whatever the client says of itself', async () => {
    const headers = { ...agent.headers, 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9' };
    const answer = await ask('/utcp', { ...agent, headers, localAddress: '127.0.0.2' });
    expect(answer.status).toBe(200);
    const id = String(answer.headers['x-request-id']);
    expect(server.sink.about(id).at(-1)).toMatchObject({ event: 'manual.served', address: '127.0.0.2' });
  });

  it('a stream comes through as it is written, not when it ends, and ends at the upstream when its reader goes', async () => {
    const sent = request(`${nginx.url}/tools/feed/watch`, {
      ca: agent.ca,
      headers: { ...agent.headers, accept: 'text/event-stream' },
    });
    sent.end().on('error', () => undefined);
    const [response] = await once(sent, 'response');
    const [first] = await once(response, 'data');
    expect(String(first)).toBe('data: {"n":1}\n\n');
    expect(feed.streams.size).toBe(1);
    sent.destroy();
    await expect.poll(() => feed.streams.size).toBe(0);
  });

  it('a websocket stays open and answers message by message', async () => {
    const socket = new WebSocket(`${nginx.url.replace('https', 'wss')}/tools/feed/get_item/ws`, agent);
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    for (const id of [1, 2]) {
      socket.send(JSON.stringify({ id, arguments: { id: `${id}` } }));
      const [answer] = await once(socket, 'message');
      expect(JSON.parse(String(answer))).toMatchObject({ id, result: { url: `/items/${id}` } });
    }
  });

  it('a client that speaks HTTP/2 is served as one that does not', async () => {
    const session = connect(nginx.url, { ca: agent.ca });
    onTestFinished(() => endSession(session));
    const stream = session.request({ ':path': '/utcp', ...agent.headers });
    const [headers] = await once(stream, 'response');
    let body = '';
    for await (const chunk of stream.setEncoding('utf8')) body += chunk;
    expect(headers[':status']).toBe(200);
    expect(JSON.parse(body).tools).toHaveLength(4);
  });

  it('every URL that is published starts with the public URL, whatever Host and forwarded headers say', async () => {
    const forged = { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'gopher' };
    const headers = { ...agent.headers, ...forged, 'x-forwarded-prefix': '/evil' };
    const { text } = await ask('/utcp', { ...agent, headers });
    const urls = [...text.matchAll(/"url":"([^"]+)"/g)].map(([, url]) => url ?? '');
    expect(urls.length).toBeGreaterThan(3);
    expect(urls.filter((url) => !url.startsWith(`${nginx.url}/tools/feed/`))).toEqual([]);
    const refused = await ask('/utcp', { ca: agent.ca, headers: forged });
    expect(refused.headers['www-authenticate']).toContain(`resource_metadata="${nginx.url}/.well-known/`);
    for (const name of ['oauth-protected-resource', 'oauth-authorization-server']) {
      const document = await ask(`/.well-known/${name}`, { ca: agent.ca, headers: forged });
      expect(document.text).not.toContain('evil');
      expect(document.text).toContain(nginx.url);
    }
  });

  async function ask(path: string, options: RequestOptions) {
    const sent = request(`${nginx.url}${path}`, { ...options, servername: 'localhost' }).end();
    const [response] = await once(sent, 'response');
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    return { status: response.statusCode, headers: response.headers, text };
  }
});

/** Where the server listens itself. */
function placeOf({ server }: TestServer): string {
  const address = server.app.server.address();
  return `127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
}
