import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../../src/client/index.js';
import { keyEntry, startServer } from '../../support/server.js';
import { startUpstream, type UpstreamHandler } from '../../support/upstream.js';

const event = (data: unknown, id: number) => `id: ${id}\nevent: tick\ndata: ${JSON.stringify(data)}\n\n`;

/** A streaming upstream behind a Gatehouse that publishes it in these forms, and the reference client. */
async function startStream(publish_as: readonly string[], handler: UpstreamHandler) {
  const upstream = await startUpstream(handler);
  const server = await startServer({
    environment: { API_FEED_URL: upstream.origin },
    files: {
      'feed.yaml': {
        utcp_version: '1.1.0',
        manual_version: '1.0.0',
        tools: [
          {
            name: 'watch',
            description: 'Watches something.',
            inputs: {
              type: 'object',
              properties: { topic: { type: 'string', maxLength: 50 } },
              additionalProperties: false,
            },
            tool_call_template: { call_template_type: 'sse', url: '${API_FEED_URL}/feed' },
          },
        ],
      },
    },
    config: {
      manuals: [
        { name: 'feed', source: './feed.yaml', allow_private_hosts: ['127.0.0.1'], tools: { watch: { publish_as } } },
      ],
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }],
    },
  });
  onTestFinished(() => server.close());
  const client = createClient({ url: server.url, credential: { bearer: 'k' }, retries: 0 });
  onTestFinished(() => client.close());
  return { client, upstream };
}

const threeTicks: UpstreamHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const n of [1, 2, 3]) response.write(event({ n, text: 'é' }, n));
  response.end();
};

async function collect(stream: AsyncIterable<{ readonly data: unknown }>) {
  const items: unknown[] = [];
  for await (const { data } of stream) items.push(data);
  return items;
}

const ticks = [1, 2, 3].map((n) => ({ n, text: 'é' }));

describe('the reference client and a streaming tool', () => {
  it.each([
    ['sse', ['http', 'sse'], 'watch'],
    ['streamable_http', ['http', 'streamable_http'], 'feed.watch'],
    ['its own sse form', ['sse'], 'watch'],
  ])('streams by %s', async (_name, forms, tool) => {
    const { client, upstream } = await startStream(forms, threeTicks);
    expect(await collect(client.stream(tool, { topic: 'a b' }))).toEqual(ticks);
    expect(upstream.requests[0]?.url).toBe('/feed?topic=a%20b');
  });

  it('calls the http twin and gets the collected events', async () => {
    const { client } = await startStream(['http', 'sse'], threeTicks);
    expect(await client.call('watch')).toEqual(ticks);
  });

  it('streams a tool without a streaming form as its one result', async () => {
    const { client } = await startStream(['http'], threeTicks);
    expect(await collect(client.stream('watch'))).toEqual([ticks]);
  });

  it('hands on names and ids of events', async () => {
    const { client } = await startStream(['sse'], threeTicks);
    for await (const chunk of client.stream('watch')) {
      expect(chunk).toEqual({ data: { n: 1, text: 'é' }, event: 'tick', id: '1' });
      break;
    }
  });

  const endless: UpstreamHandler = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event({ n: 1 }, 1));
  };

  it('ending the loop ends the upstream', async () => {
    const { client, upstream } = await startStream(['sse'], endless);
    for await (const _chunk of client.stream('watch')) break;
    await expect.poll(() => upstream.connections.open.size).toBe(0);
  });

  it('an abort ends the loop and the upstream', async () => {
    const { client, upstream } = await startStream(['sse'], endless);
    const abort = new AbortController();
    const stream = collect(client.stream('watch', {}, { signal: abort.signal }));
    await expect.poll(() => upstream.requests.length).toBe(1);
    abort.abort();
    await expect(stream).rejects.toMatchObject({ name: 'TransportError', code: 'client_aborted' });
    await expect.poll(() => upstream.connections.open.size).toBe(0);
  });

  it('a time-out ends the loop', async () => {
    const { client } = await startStream(['sse'], endless);
    const stream = collect(client.stream('watch', {}, { timeout_ms: 300 }));
    await expect(stream).rejects.toMatchObject({ name: 'TransportError', code: 'upstream_timeout' });
  });

  it.each([['sse'], ['streamable_http']])(
    'an upstream that breaks off is an UpstreamError after what came before: %s',
    async (form) => {
      const { client } = await startStream([form], (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(event({ n: 1 }, 1));
        setTimeout(() => response.destroy(), 1500);
      });
      const seen: unknown[] = [];
      const reading = (async () => {
        for await (const { data } of client.stream('watch')) seen.push(data);
      })();
      await expect(reading).rejects.toMatchObject({
        name: 'UpstreamError',
        code: 'upstream_failed',
        message: /^Upstream failed/,
      });
      expect(seen).toEqual([{ n: 1 }]);
    },
  );

  it("an upstream's own error event is an element like any other", async () => {
    const { client } = await startStream(['sse'], (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end('event: error\ndata: {"code":"not_found","status":404}\n\n');
    });
    expect(await collect(client.stream('watch'))).toEqual([{ code: 'not_found', status: 404 }]);
  });

  it('arguments are checked before a stream is opened', async () => {
    const { client, upstream } = await startStream(['sse'], threeTicks);
    await expect(collect(client.stream('watch', { topic: 1 }))).rejects.toMatchObject({ name: 'InvalidInputError' });
    expect(upstream.requests).toHaveLength(0);
  });
});
