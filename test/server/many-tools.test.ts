import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { CallScope, LoadError } from '../../src/core/index.js';
import { collectAfterStart } from '../../src/server/garbage.js';
import { buildServer } from '../../src/server/server.js';
import { makeAuthority } from '../support/certificates.js';
import { addressOf } from '../support/provider.js';
import { makeFolder } from '../support/scratch.js';
import { bearer, keyEntry, loadFiles, startServer, type TestServer } from '../support/server.js';
import { MemorySink } from '../support/sink.js';

/** More than are kept as objects, and so packed, and bound when they are first called. */
const count = 2100;
/** One that says nothing of its answers. */
const unchecked = 1500;

const upstreams = ['one', 'two'].map((name) =>
  createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name, path: request.url, key: request.headers['x-key'] }));
  }),
);
const originOf = (index: number) => `http://127.0.0.1:${addressOf(upstreams[index] ?? createServer()).port}`;

function makeTools(origin: string, template: Readonly<Record<string, unknown>> = {}, length = count) {
  return Array.from({ length }, (_, index) => ({
    name: `tool_${index}`,
    description: `Tool ${index}.`,
    inputs: { type: 'object', properties: { q: { type: 'string', maxLength: 9 } }, additionalProperties: false },
    ...(index !== unchecked && { outputs: { type: 'object', required: ['path'] } }),
    tool_call_template: { call_template_type: 'http', url: `${origin}/${index}`, ...template },
  }));
}

function makeOptions(tools: readonly unknown[]) {
  const manual = { utcp_version: '1.1.0', manual_version: '1.0.0', tools };
  return {
    config: {
      // A load holds the event loop up, and longer on a busy machine.
      server: { load_shedding: { max_event_loop_delay_ms: 0 } },
      manuals: [{ name: 'm', source: 'm.json', allow_private_hosts: ['127.0.0.1'] }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('alice-key') } }],
    },
    files: { 'm.json': JSON.stringify(manual, undefined, 1) },
  };
}

/** What an upstream answers: itself, what it was asked for, and the key that came with it. */
interface Answer {
  readonly name?: string;
  readonly path?: string;
  readonly key?: string;
}

async function call({ url }: Pick<TestServer, 'url'>, tool: string, query = 'q=hi') {
  const response = await fetch(`${url}/tools/m/${tool}?${query}`, { headers: bearer('alice-key') });
  const body: Answer = JSON.parse(await response.text());
  return { status: response.status, body };
}

beforeAll(async () => {
  for (const upstream of upstreams) await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
});
afterAll(() => {
  for (const upstream of upstreams) upstream.close().closeAllConnections();
});

/** A server of these tools, for one test. */
async function serve(...options: Parameters<typeof startServer>): Promise<TestServer> {
  const server = await startServer(...options);
  onTestFinished(() => server.close());
  return server;
}

describe('of many tools', () => {
  it('each is bound when it is first called, checked as at any later call', async () => {
    const server = await serve(makeOptions(makeTools(originOf(0))));
    for (const tool of ['tool_2099', 'tool_0', 'tool_2099']) {
      const { status, body } = await call(server, tool);
      expect({ status, path: body.path }).toEqual({ status: 200, path: `/${tool.slice(5)}?q=hi` });
    }
    expect((await call(server, 'tool_7', 'q=far+too+long')).status).toBe(400);
    expect((await call(server, 'tool_8', 'other=1')).status).toBe(400);
    expect((await call(server, 'tool_2100')).status).toBe(404);
  });

  it('one that has been called is not looked up again, which would unpack it at every call', async () => {
    const server = await serve(makeOptions(makeTools(originOf(0))));
    const names = ['tool_7', `tool_${unchecked}`];
    for (const name of names) expect(await call(server, name)).toMatchObject({ status: 200 });
    onTestFinished(() => void vi.restoreAllMocks());
    const [runtime] = server.server.gate.generation.runtimes;
    const reads = (['inputs', 'outputs', 'template', 'description'] as const).map((part) =>
      vi.spyOn(Object.getPrototypeOf(runtime?.tool), part, 'get'),
    );
    for (const name of names) expect(await call(server, name)).toMatchObject({ status: 200 });
    expect(reads.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0, 0]);
  });

  it('one that is first called after a reload is the new one, and what the old ones held is let go', async () => {
    const server = await serve(makeOptions(makeTools(originOf(0))));
    const before = server.server.gate.generation;
    await server.server.apply(await loadFiles(server.directory, makeOptions(makeTools(originOf(1)))));
    expect((await call(server, 'tool_5')).body.name).toBe('two');
    expect(server.server.readiness().upstreams).toMatchObject([{ upstream: new URL(originOf(1)).host }]);

    // A call that came before the reload still has the tool that it came for.
    const { prepared } = before.runtimes[6] ?? {};
    const { body } = (await prepared?.call({ q: 'hi' }, new CallScope('r', 5000, 'alice'))) ?? {};
    expect(JSON.parse(String(body)).name).toBe('one');
  });

  it('one that cannot be bound refuses the load, by its place and line', async () => {
    const tools = makeTools(originOf(0));
    const bad = { ...tools[2050], tool_call_template: { call_template_type: 'http', url: 'http://10.0.0.1/' } };
    const options = makeOptions([...tools.slice(0, 2050), bad, ...tools.slice(2051)]);
    const error = await startServer(options).catch((thrown: unknown) => thrown);
    const lines = options.files['m.json'].split('\n');
    const line = lines.findIndex((text) => text.includes('10.0.0.1')) + 1;
    expect(error).toBeInstanceOf(LoadError);
    expect(error instanceof LoadError && error.findings).toMatchObject([
      { rule: 'egress-refused', pointer: '/tools/2050/tool_call_template/url', line },
    ]);
  });

  it('one whose schema cannot be used refuses the load', async () => {
    const tools = makeTools(originOf(0));
    const bad = { ...tools[2050], inputs: { type: 'object', properties: { q: { type: 'text' } } } };
    await expect(startServer(makeOptions([...tools.slice(0, 2050), bad]))).rejects.toThrow(/m\.tool_2050: The inputs/);
  });

  it('one is bound with the variables and certificates that were there when it was loaded', async () => {
    const environment: Record<string, string> = { API_KEY: 'first' };
    const tools = makeTools(originOf(0), { headers: { 'X-Key': '${API_KEY}' } });
    const { config, files } = makeOptions(tools);
    const manuals = config.manuals.map((entry) => ({ ...entry, tls: { ca_file: 'ca.pem' } }));
    const { cert } = await makeAuthority();
    const server = await serve({
      config: { ...config, manuals },
      files: { ...files, 'ca.pem': cert },
      environment,
    });
    delete environment.API_KEY;
    rmSync(join(server.directory, 'ca.pem'));
    expect((await call(server, 'tool_9')).body.key).toBe('first');
  });
});

describe('after a load', () => {
  /** Bytes of the heap in use once everything that is not held is gone. */
  function weighHeap(): number {
    collectAfterStart(Number.POSITIVE_INFINITY);
    return process.memoryUsage().heapUsed;
  }

  /** What a WeakRef leads to is held to the end of the job that made it, and so is what a promise has just given. */
  const pause = () => new Promise((done) => setTimeout(done, 10));

  it('the text of the manuals and the places in it are not held', async () => {
    const places: WeakRef<object>[] = [];
    const load = async () => {
      const loaded = await loadFiles(makeFolder(), makeOptions(makeTools(originOf(0))));
      for (const { pointers, lineOf } of loaded.manuals) places.push(new WeakRef(pointers), new WeakRef(lineOf));
      return loaded;
    };
    const server = await buildServer(await load(), { sink: new MemorySink() });
    onTestFinished(() => server.close());
    await server.listen();
    await pause();
    weighHeap();
    expect(places.map((place) => place.deref())).toEqual([undefined, undefined]);
  });

  it('a tool that nobody has called takes less than a kilobyte of the heap', async () => {
    const many = 10_000;
    await serve(makeOptions(makeTools(originOf(0), {}, 1)));
    const before = weighHeap();
    await serve(makeOptions(makeTools(originOf(0), {}, many)));
    await pause();
    expect((weighHeap() - before) / many).toBeLessThan(1000);
  });
});
