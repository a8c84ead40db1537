import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { addressOf } from './provider.js';

/** An upstream for what passes through gateways: answers what it was asked, and streams on demand. */
export interface Feed {
  readonly origin: string;
  /** Responses of `/stream` that are open. */
  readonly streams: Set<ServerResponse>;
  /** Requests so far, by `METHOD URL`. */
  readonly requests: string[];
  close(): Promise<void>;
}

/**
 * Starts it: `/stream` sends one server-sent event and stays open, `/slow` answers after 300 ms, `/items/big` with 8 MB, all
 * else at once.
 */
export async function startFeed(): Promise<Feed> {
  const streams = new Set<ServerResponse>();
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const { method, url = '' } = request;
    requests.push(`${method} ${url}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    if (url.startsWith('/stream')) {
      streams.add(response);
      response.on('close', () => streams.delete(response));
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {"n":1}\n\n');
      return;
    }
    const body = url === '/items/big' ? 'x'.repeat(8_000_000) : Buffer.concat(chunks).toString();
    const answer = JSON.stringify({ method, url, body });
    const wait_ms = url.startsWith('/slow') ? 300 : 0;
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(answer), wait_ms);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${addressOf(server).port}`,
    streams,
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const text = { type: 'string', maxLength: 1000 };

/** Its tools behind a Gatehouse: `get_item`, `create_item`, `slow` and `watch`, and the environment that they need. */
export function describeFeed(origin: string, more: Readonly<Record<string, unknown>> = {}) {
  const tool = (name: string, properties: object, template: object) => ({
    name,
    description: name,
    tags: ['read'],
    inputs: { type: 'object', properties, additionalProperties: false },
    tool_call_template: { call_template_type: 'http', ...template },
  });
  const url = (path: string) => `\${API_FEED_URL}${path}`;
  const tools = [
    tool('get_item', { id: text }, { url: url('/items/{id}'), http_method: 'GET' }),
    tool('create_item', { item: { type: 'object' } }, { url: url('/items'), http_method: 'POST', body_field: 'item' }),
    tool('slow', {}, { url: url('/slow'), http_method: 'POST' }),
    tool('watch', {}, { url: url('/stream'), call_template_type: 'sse' }),
  ];
  return {
    environment: { API_FEED_URL: origin },
    files: { 'feed.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools } },
    config: {
      manuals: [{ name: 'feed', source: './feed.yaml', allow_private_hosts: ['127.0.0.1'] }],
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      limits: { per_caller: { per_minute: 100_000, per_hour: 1_000_000 } },
      ...more,
    },
  };
}
