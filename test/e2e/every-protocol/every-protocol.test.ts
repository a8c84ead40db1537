import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { createClient } from '../../../src/client/index.js';
import {
  type EveryProtocol,
  type EveryUpstream,
  protocolCases,
  startEveryProtocol,
  startEveryUpstream,
} from '../../support/every-protocol.js';
import { connectOfficial, type OfficialClient } from '../../support/official-client.js';
import { describeWithProgram } from '../../support/requirement.js';
import { bearer } from '../../support/server.js';

/** Published as POST, their arguments in one field: what they do is not known to be a read. */
const wrapped = ['websocket', 'cli', 'mcp'];
const streaming = protocolCases.filter(({ items }) => items !== undefined);

describeWithProgram('bwrap', 'every protocol, from a configuration file, over a real socket', () => {
  let upstreams: EveryUpstream;
  let gate: EveryProtocol;
  let official: OfficialClient;
  beforeAll(async () => {
    upstreams = await startEveryUpstream();
    gate = await startEveryProtocol(upstreams);
    official = await connectOfficial(gate.url, { bearer: 'agent-key' });
  });
  afterAll(async () => {
    await gate?.close();
    await upstreams?.close();
  });

  function connectReference() {
    const client = createClient({ url: gate.url, credential: { bearer: 'agent-key' }, retries: 0 });
    onTestFinished(() => client.close());
    return client;
  }

  it('is published as http tools alone unless the configuration says more, and registers whole', async () => {
    expect(official.errors).toEqual([]);
    expect(official.tools).toEqual(expect.arrayContaining(protocolCases.map(({ name }) => name)));
  });

  describe.each(protocolCases)('$type ($name)', ({ name, type, args, result, hangs }) => {
    it('is called by the official client', async () => {
      expect(await official.call(name, wrapped.includes(type) ? { body: args } : args)).toEqual(result);
    });

    it('is called by the reference client', async () => {
      expect(await connectReference().call(name, args)).toEqual(result);
    });

    it('is called over an inbound websocket', async () => {
      const socket = new WebSocket(`${gate.url.replace('http', 'ws')}/tools/all/${name}/ws`, {
        headers: bearer('agent-key'),
      });
      onTestFinished(() => socket.terminate());
      await once(socket, 'open');
      socket.send(JSON.stringify({ id: 'a', arguments: args }));
      expect(JSON.parse(String((await once(socket, 'message'))[0]))).toEqual({ id: 'a', result });
    });

    it('fails with a problem document that says nothing of the upstream', async () => {
      const response = await post(`${name}_fail`, args);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      const body = await response.text();
      expect(response.status).toBe(type === 'text' || type === 'file' ? 400 : 502);
      expect(body).not.toMatch(/127\.0\.0\.1|upstream-secret|\/usr\/bin|\/tmp/);
    });

    if (!hangs) return;
    it('ends at its timeout with 504', async () => {
      expect((await post(`${name}_hang`, args)).status).toBe(504);
    });
  });

  it.each(streaming.flatMap(({ name, args, items }) => ['_sse', '_stream'].map((form) => [name + form, args, items])))(
    '%s is streamed by the reference client',
    async (name, args, items) => {
      const got: unknown[] = [];
      for await (const { data } of connectReference().stream(String(name), Object(args))) got.push(data);
      expect(got).toEqual(items);
    },
  );

  function post(tool: string, args: object): Promise<Response> {
    const headers = { ...bearer('agent-key'), 'content-type': 'application/json' };
    return fetch(`${gate.url}/tools/all/${tool}`, { method: 'POST', headers, body: JSON.stringify(args) });
  }
});
