import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../../src/client/index.js';
import { connectOfficial } from '../../support/official-client.js';
import { bearer, keyEntry, startServer } from '../../support/server.js';
import { sendEvents } from '../../support/stream.js';
import { startUpstream, type UpstreamHandler } from '../../support/upstream.js';
import { startWebsocketUpstream } from '../../support/websocket-upstream.js';

const inputs = {
  type: 'object',
  properties: { topic: { type: 'string', maxLength: 50 }, deep: { type: 'object' } },
  additionalProperties: false,
};
const plainInputs = {
  type: 'object',
  properties: { topic: { type: 'string', maxLength: 50 } },
  additionalProperties: false,
};

/** Streams what the path says; `/hang` sends one event and no more. */
const handle: UpstreamHandler = ({ url }, response) => {
  if (url.startsWith('/rows')) {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end('{"n":1}\n{"n":"é"}\n');
  } else if (url.startsWith('/bytes')) {
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(Buffer.from([0, 1, 254, 255]));
  } else if (url.startsWith('/hang')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  } else sendEvents(response, 'id: 7\nevent: tick\ndata: {"n":1}\n\n', 'data: {"n":"é"}\n\n');
};

/** Every streaming protocol behind one Gatehouse, from configuration and manual files. */
async function startGate() {
  const upstream = await startUpstream(handle);
  const sockets = await startWebsocketUpstream((client) => {
    client.on('message', (data) => client.send(`{"got":${String(data)}}`));
  });
  onTestFinished(() => sockets.close());
  const tool = (name: string, schema: object, template: object) => ({
    name,
    description: name,
    tags: ['read'],
    inputs: schema,
    tool_call_template: template,
  });
  const url = (path: string) => `\${API_FEED_URL}${path}`;
  const tools = [
    tool('watch', plainInputs, { call_template_type: 'sse', url: url('/events') }),
    tool('deep', inputs, { call_template_type: 'sse', url: url('/events'), body_field: 'deep' }),
    tool('hang', plainInputs, { call_template_type: 'sse', url: url('/hang') }),
    tool('few', plainInputs, { call_template_type: 'sse', url: url('/events'), max_events: 1 }),
    tool('rows', plainInputs, { call_template_type: 'streamable_http', url: url('/rows') }),
    tool('bytes', plainInputs, { call_template_type: 'streamable_http', url: url('/bytes') }),
    tool('talk', inputs, { call_template_type: 'websocket', url: `\${API_DESK_URL}/ws` }),
  ];
  const publish = { publish_as: ['http', 'sse', 'streamable_http'] };
  const server = await startServer({
    environment: { API_FEED_URL: upstream.origin, API_DESK_URL: `ws://127.0.0.1:${sockets.port}` },
    files: { 'feed.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools } },
    config: {
      manuals: [
        {
          name: 'feed',
          source: './feed.yaml',
          allow_private_hosts: ['127.0.0.1'],
          max_streams_per_caller: 2,
          tools: Object.fromEntries(tools.map(({ name }) => [name, publish])),
        },
      ],
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }],
    },
  });
  onTestFinished(() => server.close());
  return { server, upstream, url: server.url };
}

async function get(url: string, tool: string, accept: string) {
  const response = await fetch(`${url}/tools/feed/${tool}`, { headers: { ...bearer('k'), accept } });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

/** A reader of its own making: a request on a raw socket, and what came back so far. */
async function openRaw(url: string, tool: string, accept: string): Promise<{ socket: Socket; text(): string }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(`GET /tools/feed/${tool} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nAccept: ${accept}\r\n\r\n`);
  onTestFinished(() => void socket.destroy());
  return { socket, text: () => Buffer.concat(chunks).toString() };
}

describe('streams through the gate, from a configuration file', () => {
  it('answer in the form that Accept asks for', async () => {
    const { url } = await startGate();
    expect(await get(url, 'watch', 'text/event-stream')).toEqual({
      status: 200,
      type: 'text/event-stream',
      text: 'event: tick\nid: 7\ndata: {"n":1}\n\nid: 7\ndata: {"n":"\\u00e9"}\n\n',
    });
    expect(await get(url, 'watch', 'application/x-ndjson')).toEqual({
      status: 200,
      type: 'application/x-ndjson',
      text: '{"n":1}\n{"n":"é"}',
    });
    expect(await get(url, 'watch', '*/*')).toEqual({
      status: 200,
      type: 'application/json',
      text: '[{"n":1},{"n":"é"}]',
    });
    expect(await get(url, 'rows', 'text/event-stream')).toMatchObject({
      text: 'data: {"n":1}\n\ndata: {"n":"\\u00e9"}\n\n',
    });
    expect(await get(url, 'bytes', 'application/x-ndjson')).toMatchObject({ text: '{"base64":"AAH+/w=="}' });
    const response = await fetch(`${url}/tools/feed/bytes`, {
      headers: { ...bearer('k'), accept: 'application/octet-stream' },
    });
    expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from([0, 1, 254, 255]));
  });

  it('are called by the official client as their http twins', async () => {
    const { url } = await startGate();
    const client = await connectOfficial(url, { bearer: 'k' });
    expect(client.errors).toEqual([]);
    expect(await client.call('watch', { topic: 'a' })).toEqual([{ n: 1 }, { n: 'é' }]);
    expect(await client.call('rows', { topic: 'a' })).toEqual([{ n: 1 }, { n: 'é' }]);
    expect(await client.call('talk', { body: { topic: 'é', deep: { a: [1] } } })).toEqual({
      got: { topic: 'é', deep: { a: [1] } },
    });
  });

  it('are registered by the official client in every form that is published', async () => {
    const { url } = await startGate();
    const client = await connectOfficial(url, { bearer: 'k' }, { protocols: ['http', 'sse', 'streamable_http'] });
    expect(client.errors).toEqual([]);
    expect(client.tools).toEqual(
      expect.arrayContaining(['watch', 'watch_sse', 'watch_stream', 'talk_sse', 'deep_sse']),
    );
  });

  it.each(['watch', 'watch_sse', 'watch_stream', 'deep_sse', 'deep_stream', 'rows_sse', 'rows_stream'])(
    'are streamed by the reference client: %s',
    async (name) => {
      const { url } = await startGate();
      const client = createClient({ url, credential: { bearer: 'k' }, retries: 0 });
      onTestFinished(() => client.close());
      const items: unknown[] = [];
      const args = name.startsWith('deep') ? { topic: 't', deep: { a: null } } : { topic: 't' };
      for await (const { data } of client.stream(name, args)) items.push(data);
      expect(items).toEqual([{ n: 1 }, { n: 'é' }]);
    },
  );

  it.each(['talk', 'talk_sse', 'talk_stream'])('bridge a websocket to the reference client: %s', async (name) => {
    const { url } = await startGate();
    const client = createClient({ url, credential: { bearer: 'k' }, retries: 0 });
    onTestFinished(() => client.close());
    const items: unknown[] = [];
    for await (const { data } of client.stream(name, { deep: { a: 1 } })) items.push(data);
    expect(items).toEqual([{ got: { deep: { a: 1 } } }]);
  });

  it('end at the upstream at once when the client goes away, and leave one event', async () => {
    const { url, server, upstream } = await startGate();
    const { socket, text } = await openRaw(url, 'hang', 'text/event-stream');
    await expect.poll(text).toContain('data: 1\n\n');
    expect(upstream.connections.open.size).toBe(1);
    socket.destroy();
    await expect.poll(() => upstream.connections.open.size).toBe(0);
    await expect.poll(() => server.sink.of('tool.call')).toHaveLength(1);
    expect(server.sink.of('tool.call')).toMatchObject([
      { outcome: 'failure', reason: 'client_aborted', tool: 'feed.hang', caller: 'agent' },
    ]);
  });

  it('end with a closing event when the server shuts down', async () => {
    const { url, server } = await startGate();
    const sse = await openRaw(url, 'hang', 'text/event-stream');
    const lines = await openRaw(url, 'hang', 'application/x-ndjson');
    await expect.poll(sse.text).toContain('data: 1\n\n');
    await expect.poll(lines.text).toContain('\r\n\r\n');
    await expect.poll(() => server.server.gate.streams.size).toBe(2);
    const closed = Promise.all([once(sse.socket, 'close'), once(lines.socket, 'close')]);
    await server.server.close();
    await closed;
    expect(sse.text()).toMatch(/event: closing\ndata: \{.*"code":"draining".*\}\n\n/);
    expect(lines.text()).toMatch(/\{"error":\{.*"code":"draining".*\}\}/);
  });

  it('are bounded for one caller, which leaves an event', async () => {
    const { url, server } = await startGate();
    for (const held of [
      await openRaw(url, 'hang', 'text/event-stream'),
      await openRaw(url, 'hang', 'text/event-stream'),
    ]) {
      await expect.poll(held.text).toContain('data: 1\n\n');
    }
    expect(await get(url, 'hang', 'text/event-stream')).toMatchObject({ status: 429 });
    expect(server.sink.of('limit.exceeded')).toMatchObject([
      { limit: 'streams_per_caller', caller: 'agent', tool: 'feed.hang' },
    ]);
  });

  it('that are cut at max_events leave an event', async () => {
    const { url, server } = await startGate();
    expect(await get(url, 'few', 'application/json')).toMatchObject({ status: 200, text: '[{"n":1}]' });
    expect(server.sink.of('upstream.failed')).toMatchObject([{ reason: 'max_events', tool: 'feed.few' }]);
  });
});
