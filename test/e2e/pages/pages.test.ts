import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { createClient } from '../../../src/client/index.js';
import { readBlocks } from '../../support/page.js';
import { keyEntry, startServer } from '../../support/server.js';
import { sendEvents } from '../../support/stream.js';
import { sendJson, startUpstream, type UpstreamHandler } from '../../support/upstream.js';
import { startWebsocketUpstream } from '../../support/websocket-upstream.js';

/** Runs the example of a page as it is printed, but for its hosts, and gives the reference client of a caller. */
async function startPage(
  page: string,
  hosts: readonly (readonly [string, string])[],
  environment: Record<string, string>,
) {
  const [manual = '', config = ''] = readBlocks(`protocols/${page}.md`);
  const { manuals } = parse(config);
  const server = await startServer({
    environment,
    files: {
      [manuals[0].source]: hosts.reduce((text, [from, to]) => text.replaceAll(from, to), manual),
    },
    config: {
      manuals: [{ ...manuals[0], allow_private_hosts: ['127.0.0.1'] }],
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }],
    },
  });
  onTestFinished(() => server.close());
  const client = createClient({ url: server.url, credential: { bearer: 'k' }, retries: 0 });
  onTestFinished(() => client.close());
  return client;
}

async function collect(items: AsyncIterable<{ readonly data: unknown }>): Promise<readonly unknown[]> {
  const all: unknown[] = [];
  for await (const { data } of items) all.push(data);
  return all;
}

/** An upstream that gives tokens at /token, and all else to `answer`. */
function startApi(answer: UpstreamHandler) {
  return startUpstream((request, response) => {
    if (request.url === '/token') sendJson(response, { access_token: 'granted', token_type: 'Bearer', expires_in: 60 });
    else answer(request, response);
  });
}

describe('the example of a page runs as it is printed', () => {
  it('docs/protocols/http.md', async () => {
    const api = await startApi(({ method, url, body }, response) => sendJson(response, { method, url, body }));
    const hosts = [
      ['https://api.example.com', api.origin],
      ['https://auth.example.com', api.origin],
    ] as const;
    const client = await startPage('http', hosts, {
      API_BOOKS_TOKEN: 'secret',
      API_BOOKS_CLIENT: 'c',
      API_BOOKS_SECRET: 's',
    });
    expect(await client.call('get_book', { id: 'a/b', fields: ['title', 'price'] })).toMatchObject({
      url: '/v1/books/a%2Fb?format=json&fields=title&fields=price',
    });
    const book = { title: 'é', price: 2.5 };
    expect(await client.call('add_book', { tenant: 'shop', 'X-Idempotency-Key': 'once', book })).toEqual({
      method: 'POST',
      url: '/v1/shop/books',
      body: JSON.stringify(book),
    });
    const [got, , added] = api.requests;
    expect(got?.headers).toMatchObject({ authorization: 'Bearer secret', 'user-agent': 'bookshop-tools/1.0' });
    expect(added?.headers).toMatchObject({ authorization: 'Bearer granted', 'x-idempotency-key': 'once' });
  });

  it('docs/protocols/sse.md', async () => {
    const api = await startApi((_request, response) =>
      sendEvents(
        response,
        'event: order\ndata: {"n":1}\n\n',
        'event: other\ndata: {}\n\n',
        'event: order\ndata: {"n":2}\n\n',
      ),
    );
    const client = await startPage('sse', [['https://api.example.com', api.origin]], { API_SHOP_TOKEN: 'secret' });
    const args = { shop: 'north', since: 3 };
    const orders = [{ n: 1 }, { n: 2 }];
    expect(await client.call('watch_orders', args)).toEqual(orders);
    expect(await collect(client.stream('watch_orders_sse', args))).toEqual(orders);
    expect(await collect(client.stream('watch_orders_stream', args))).toEqual(orders);
    expect(api.requests[0]).toMatchObject({
      url: '/shops/north/events?since=3',
      headers: { authorization: 'Bearer secret', accept: 'text/event-stream' },
    });
  });

  it('docs/protocols/streamable-http.md', async () => {
    const api = await startApi((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end('{"n":1}\n{"n":2}\n');
    });
    const hosts = [
      ['https://data.example.com', api.origin],
      ['https://auth.example.com', api.origin],
    ] as const;
    const client = await startPage('streamable-http', hosts, { API_DATA_CLIENT: 'c', API_DATA_SECRET: 's' });
    const args = { table: 'books', filter: { year: 2020 } };
    expect(await client.call('export_rows', args)).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await collect(client.stream('export_rows_stream', args))).toEqual([{ n: 1 }, { n: 2 }]);
    expect(api.requests[1]).toMatchObject({ url: '/export/books', body: '{"year":2020}' });
  });

  it('docs/protocols/websocket.md', async () => {
    const sockets = await startWebsocketUpstream(
      (socket) => {
        socket.on('message', (data) => {
          const text = String(data);
          if (text.startsWith('WATCH:')) for (let n = 1; n <= 10; n++) socket.send(JSON.stringify({ n, text }));
          else socket.send(text);
        });
      },
      { protocol: 'desk-v1' },
    );
    onTestFinished(() => sockets.close());
    const hosts = [['wss://desk.example.com', `ws://127.0.0.1:${sockets.port}`]] as const;
    const client = await startPage('websocket', hosts, { API_DESK_TOKEN: 'secret' });
    expect(await client.call('ask_desk', { symbol: 'ABC', limit: 3 })).toMatchObject({
      action: 'quote',
      symbol: 'ABC',
      limit: 3,
      id: expect.any(String),
    });
    expect(sockets.handshakes[0]?.headers).toMatchObject({
      authorization: 'Bearer secret',
      origin: 'https://tools.example.com',
    });
    const watched = await collect(client.stream('watch_desk_sse', { symbol: 'ABC' }));
    expect(watched).toEqual(Array.from({ length: 10 }, (_, n) => ({ n: n + 1, text: 'WATCH:ABC' })));
  });
});
