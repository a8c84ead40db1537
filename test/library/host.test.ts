import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import helmet from '@fastify/helmet';
import jwt from '@fastify/jwt';
import rateLimit from '@fastify/rate-limit';
import websocket from '@fastify/websocket';
import fastify from 'fastify';
import request from 'supertest';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { stringify } from 'yaml';
import { z } from 'zod';
import { defineTool, type GatehouseOptions, type GatehouseSettings, gatehouse, LoadError } from '../../src/index.js';
import { issueCertificate, makeAuthority } from '../support/certificates.js';
import { connectOfficial } from '../support/official-client.js';
import { eventually } from '../support/processes.js';
import { addressOf } from '../support/provider.js';
import { useScratch } from '../support/scratch.js';
import { bearer, keyEntry } from '../support/server.js';
import { MemorySink } from '../support/sink.js';

const key = 'alice-key';
const config: GatehouseSettings = {
  policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
  callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry(key) } }],
};
const ask = defineTool({
  manual: 'office',
  name: 'ask',
  description: 'Asks.',
  inputs: z.object({ q: z.string() }),
  handler: ({ q }) => `${q}?`,
});
const scratch = useScratch();

function options(over: Partial<GatehouseOptions> = {}) {
  return { prefix: '/agents', config, tools: [ask], sink: new MemorySink(), report: () => undefined, ...over };
}

/** An app with what the test is about, closed at its end. */
async function listen(app: ReturnType<typeof fastify>): Promise<string> {
  onTestFinished(() => app.close());
  return app.listen({ port: 0 });
}

describe('the plugin stands beside the plugins of its app', () => {
  it('@fastify/jwt, rate-limit, helmet and websocket, registered for all of it', async () => {
    const app = fastify();
    await app.register(jwt, { secret: 'the app’s own, and long enough' });
    await app.register(rateLimit, { max: 100 });
    await app.register(helmet);
    await app.register(websocket);
    await app.register(gatehouse, options());
    app.get('/own', async (asked) => asked.jwtVerify());
    const url = await listen(app);
    const token = app.jwt.sign({ sub: 'bob' });
    expect((await request(url).get('/own').set(bearer(token)).expect(200)).body).toMatchObject({ sub: 'bob' });
    await request(url).get('/agents/utcp').set(bearer(token)).expect(401);
    await request(url).post('/agents/tools/office/ask').set(bearer(key)).send({ q: 'why' }).expect(200, '"why?"');
    await request(url).get('/agents/.well-known/oauth-protected-resource').expect(200);
  });

  it('takes websockets where the app does, within its own bounds', async () => {
    const app = fastify();
    await app.register(websocket);
    app.get('/own', { websocket: true }, (socket) => {
      socket.on('message', (text) => socket.send(`own ${text}`));
    });
    const small = { ...config, server: { websocket: { max_message_bytes: 1000 } } };
    await app.register(gatehouse, options({ config: small }));
    const url = (await listen(app)).replace('http', 'ws');
    expect(await exchange(`${url}/own`, 'hello')).toBe('own hello');
    const message = JSON.stringify({ id: 1, arguments: { q: 'why' } });
    expect(JSON.parse(await exchange(`${url}/agents/tools/office/ask/ws`, message))).toMatchObject({ result: 'why?' });
    const long = JSON.stringify({ id: 1, arguments: { q: 'a'.repeat(2000) } });
    expect(await exchange(`${url}/agents/tools/office/ask/ws`, long)).toBe('closed 1009');
  });

  it('leaves upgrades alone where its app takes none, for whoever waits for them', async () => {
    const app = fastify();
    await app.register(gatehouse, options());
    expect(app.server.listenerCount('upgrade')).toBe(0);
    await app.close();
  });

  it('a hook of the app that refuses is answered as a problem, and is no event of a caller', async () => {
    const app = fastify();
    const sink = new MemorySink();
    app.addHook('onRequest', async ({ headers }) => {
      const status = Number(headers['x-refuse'] ?? 0);
      if (status > 0) throw Object.assign(new Error('the app’s own words'), { statusCode: status });
    });
    await app.register(gatehouse, options({ sink }));
    const url = await listen(app);
    for (const [status, code] of Object.entries({ 401: 'unauthenticated', 403: 'not_permitted', 503: 'overloaded' })) {
      const { body } = await request(url).get('/agents/utcp').set({ 'x-refuse': status }).expect(Number(status));
      expect(body).toMatchObject({ code });
      expect(JSON.stringify(body)).not.toContain('own words');
    }
    await request(url).get('/agents/utcp').set(bearer(key)).expect(200);
    expect(sink.of('manual.served')).toHaveLength(1);
  });
});

describe('the plugin', () => {
  it('serves configured manuals beside local tools, from a file, through one catalog', async () => {
    const app = fastify();
    const url = await listenWithFile(app);
    const client = await connectOfficial(`${url}/agents`, { bearer: key });
    expect(client.errors).toEqual([]);
    expect([...client.tools].sort()).toEqual(['ask', 'motto']);
    expect(await client.call('motto', {})).toBe('Onward.');
    const one = await request(url).get('/agents/utcp/office').set(bearer(key));
    expect(one.body.tools.map(({ name }: { name: string }) => name)).toEqual(['ask']);
  });

  it('needs no listener: an app under test answers through supertest and inject', async () => {
    const app = fastify();
    onTestFinished(() => app.close());
    await app.register(gatehouse, options());
    await app.ready();
    await request(app.server).post('/agents/tools/office/ask').set(bearer(key)).send({ q: 'a' }).expect(200, '"a?"');
    const answer = await app.inject({ url: '/agents/utcp', headers: bearer(key) });
    expect(answer.json().tools).toHaveLength(1);
  });

  it('opens the admin listener where it is told to, and closes it with the app', async () => {
    const port = await takePort();
    const app = fastify();
    const server = { admin: { port } };
    await app.register(gatehouse, options({ admin: true, config: { ...config, server } }));
    const url = await listen(app);
    await request(url).get('/agents/utcp').set(bearer(key)).expect(200);
    const { text } = await request(`http://127.0.0.1:${port}`).get('/metrics').expect(200);
    expect(text).toContain('gatehouse_');
    await app.close();
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
  });

  it('without a prefix leaves unknown paths to the app', async () => {
    const app = fastify();
    app.setNotFoundHandler((_request, reply) => reply.code(404).send('the app’s own'));
    await app.register(gatehouse, { ...options(), prefix: '' });
    const url = await listen(app);
    await request(url).get('/elsewhere').expect(404, 'the app’s own');
    await request(url).get('/utcp').set(bearer(key)).expect(200);
  });

  it('may stand in an app twice, with callers of its own each', async () => {
    const app = fastify();
    const other = { ...config, callers: [{ id: 'bob', roles: ['user'], api_keys: { current: keyEntry('bob-key') } }] };
    await app.register(gatehouse, options());
    await expect(app.register(gatehouse, options({ config: other })).then()).rejects.toThrow(/already declared/);
    await app.close();
    const two = fastify();
    await two.register(gatehouse, options());
    await two.register(gatehouse, { ...options({ config: other }), prefix: '/others' });
    const url = await listen(two);
    await request(url).get('/others/utcp').set(bearer('bob-key')).expect(200);
    await request(url).get('/others/utcp').set(bearer(key)).expect(401);
    await request(url).get('/agents/utcp').set(bearer('bob-key')).expect(401);
  });

  it('publishes https where its app has TLS, and says so to browsers', async () => {
    const identity = await issueCertificate(await makeAuthority(), ['127.0.0.1']);
    const app = fastify({ https: identity });
    await app.register(gatehouse, options());
    onTestFinished(() => app.close());
    const url = await app.listen({ port: 0 });
    const { body, headers } = await request(url)
      .get('/agents/utcp')
      .ca(identity.cert)
      .disableTLSCerts()
      .set(bearer(key));
    expect(body.tools[0].tool_call_template.url).toBe(`${url}/agents/tools/office/ask`);
    expect(headers).toHaveProperty('strict-transport-security');
  });

  it('puts its prefix behind server.public_url', async () => {
    const app = fastify();
    await app.register(gatehouse, options({ config: { ...config, server: { public_url: 'https://x.example/' } } }));
    const { body } = await request(await listen(app))
      .get('/agents/utcp')
      .set(bearer(key));
    expect(body.tools[0].tool_call_template.url).toBe('https://x.example/agents/tools/office/ask');
  });
});

describe('the end of the app', () => {
  it('lets calls in flight finish, cancels those that do not, and answers both', async () => {
    const app = fastify();
    const reasons: unknown[] = [];
    let started = 0;
    const slow = defineTool({
      manual: 'office',
      name: 'slow',
      description: 'Takes its time.',
      inputs: z.object({ ms: z.number() }),
      handler: async ({ ms }, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        started++;
        await wait(ms, undefined, { ref: false });
        return 'done';
      },
    });
    const server = { drain_timeout_ms: 1000 };
    await app.register(gatehouse, options({ tools: [slow], config: { ...config, server } }));
    const url = await listen(app);
    const call = (ms: number) =>
      fetch(`${url}/agents/tools/office/slow`, { method: 'POST', headers: bearer(key), body: JSON.stringify({ ms }) });
    const calls = [call(50), call(5000)];
    await eventually(
      () => started,
      (count) => count === 2,
      10_000,
    );
    await app.close();
    expect((await Promise.all(calls)).map(({ status }) => status)).toEqual([200, 503]);
    expect(reasons).toEqual(['draining']);
  });

  it('ends what the plugin has opened: the event sink, and the process is free to go', async () => {
    const app = fastify();
    let closed = 0;
    const sink = Object.assign(new MemorySink(), { close: async () => void closed++ });
    await app.register(gatehouse, options({ sink }));
    await app.ready();
    await app.close();
    expect(closed).toBe(1);
  });
});

describe('a time limit', () => {
  it('answers 504 and aborts the signal, though the handler goes on', async () => {
    const app = fastify();
    const reasons: unknown[] = [];
    const slow = defineTool({
      manual: 'office',
      name: 'slow',
      description: 'Never ends.',
      inputs: z.object({}),
      timeout_ms: 50,
      handler: (_args, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason));
        return new Promise(() => undefined);
      },
    });
    await app.register(gatehouse, options({ tools: [slow] }));
    const { body } = await request(await listen(app))
      .post('/agents/tools/office/slow')
      .set(bearer(key))
      .expect(504);
    expect(body).toMatchObject({ code: 'upstream_timeout' });
    expect(reasons).toEqual(['timeout']);
  });
});

describe('an app does not start', () => {
  it.each([
    ['an unknown key', { ...config, sever: {} }, 'Did you mean server?'],
    ['a role that no policy defines', { ...config, policy: {} }, 'which the policy does not define'],
    ['TLS, which is the app’s own', { ...config, server: { tls: { cert_file: 'c', key_file: 'k' } } }, '`https`'],
    ['trusted proxies, which are the app’s own', { ...config, server: { trust_proxy: ['10.0.0.1'] } }, '`trustProxy`'],
    ['a manual of the same name', { ...config, manuals: [{ name: 'office', source: 'm.yaml' }] }, 'office'],
  ])('with %s', async (_what, wrong, words) => {
    await writeFile(scratch('m.yaml'), stringify({ utcp_version: '1.1.0', manual_version: '1.0.0', tools: [] }));
    const app = fastify();
    app.register(gatehouse, { ...options(), config: JSON.parse(JSON.stringify(wrong)), base_dir: scratch('') });
    const failure = await app.ready().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(LoadError);
    expect(String(failure)).toContain(words);
    await app.close();
  });
});

async function listenWithFile(app: ReturnType<typeof fastify>): Promise<string> {
  await mkdir(scratch('conf'));
  const motto = { name: 'motto', description: 'Says it.', inputs: { type: 'object', properties: {} } };
  const tools = [{ ...motto, tool_call_template: { call_template_type: 'text', content: 'Onward.' } }];
  await writeFile(scratch('conf/m.yaml'), stringify({ utcp_version: '1.1.0', manual_version: '1.0.0', tools }));
  const written = { ...config, manuals: [{ name: 'books', source: 'm.yaml' }] };
  await writeFile(scratch('conf/gatehouse.yaml'), stringify(written));
  await app.register(gatehouse, options({ config: scratch('conf/gatehouse.yaml') }));
  return listen(app);
}

async function takePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = addressOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** Sends one message and gives the first, or how the connection was closed. */
function exchange(url: string, message: string): Promise<string> {
  const socket = new WebSocket(url, { headers: bearer(key) });
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (code) => resolve(`closed ${code}`));
    socket.on('open', () => socket.send(message));
    socket.on('message', (text) => {
      resolve(String(text));
      socket.close();
    });
  });
}
