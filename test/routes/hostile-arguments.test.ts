import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { Arguments } from '../../src/core/index.js';
import { createEchoProtocols } from '../support/echo.js';
import { bearer, keyEntry, startServer, type TestServer } from '../support/server.js';

const template = (http_method: string) => ({ call_template_type: 'http', http_method, url: 'https://up.example/' });
const strict = { type: 'object', properties: { n: { type: 'number' } }, additionalProperties: false };
const manual = {
  utcp_version: '1.1.0',
  manual_version: '1.0.0',
  tools: [
    { name: 'open', description: 'Takes all.', inputs: { type: 'object' }, tool_call_template: template('POST') },
    { name: 'strict', description: 'Takes n.', inputs: strict, tool_call_template: template('GET') },
    { name: 'liar', description: 'Answers what is no JSON.', inputs: strict, tool_call_template: template('GET') },
  ],
};

/** Answers every tool with its arguments, and `liar` with an end of its member and an id of its own. */
function createProtocols() {
  const echo = createEchoProtocols();
  return {
    ...echo,
    prepareTool: (...parts: Parameters<typeof echo.prepareTool>) => {
      const prepared = echo.prepareTool(...parts);
      if (parts[1].tool !== 'm.liar') return prepared;
      return { call: async (_args: Arguments) => ({ body: Buffer.from('1,"id":"other"') }) };
    },
  };
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    config: {
      manuals: [{ name: 'm', source: 'm.yaml' }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('k') } }],
    },
    files: { 'm.yaml': manual },
    dependencies: { protocols: createProtocols() },
  });
});
afterAll(() => server.close());

async function post(tool: string, body: string) {
  const response = await fetch(`${server.url}/tools/m/${tool}`, { method: 'POST', headers: bearer('k'), body });
  return { status: response.status, text: await response.text() };
}

async function ask(tool: string, message: string): Promise<unknown> {
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/tools/m/${tool}/ws`, { headers: bearer('k') });
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  socket.send(message);
  return JSON.parse(String((await once(socket, 'message'))[0]));
}

describe('numbers', () => {
  const changed = ['9007199254740993', '1e400', '-1e400', '1e-400'];

  it.each(changed)('%s is refused rather than passed on as another number, whatever form it comes in', async (n) => {
    for (const tool of ['open', 'strict']) {
      expect(await post(tool, `{"n":${n}}`)).toMatchObject({ status: 400, text: expect.stringContaining('exactly') });
      expect(await ask(tool, `{"id":1,"arguments":{"n":${n}}}`)).toMatchObject({ error: { code: 'invalid_input' } });
    }
    const asked = await fetch(`${server.url}/tools/m/strict?n=${n}`, { headers: bearer('k') });
    expect(await asked.json()).toMatchObject({ status: 400, errors: [{ pointer: '/n' }] });
  });

  it.each(['9007199254740992', '260191021413858430', '-0.1', '1e+21', '"9007199254740993"'])(
    '%s arrives as it was sent',
    async (n) => {
      expect(await post('open', `{"n":${n}}`)).toEqual({ status: 200, text: `{"n":${n}}` });
    },
  );
});

describe('members', () => {
  it.each(['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'])(
    'called %s are members like any other: refused where the schema does not name them, and no prototype is touched',
    async (name) => {
      const body = `{"${name}":{"polluted":true}}`;
      expect(await post('open', body)).toEqual({ status: 200, text: body });
      expect(await post('strict', body)).toMatchObject({ status: 400, text: expect.stringContaining(`/${name}`) });
      const asked = await fetch(`${server.url}/tools/m/strict?${name}=1`, { headers: bearer('k') });
      expect(asked.status).toBe(400);
      expect(Reflect.get({}, 'polluted')).toBeUndefined();
    },
  );

  it('named twice are one: what is checked is what is passed on', async () => {
    expect(await post('open', '{"n":1,"n":{"evil":2}}')).toEqual({ status: 200, text: '{"n":{"evil":2}}' });
    expect((await post('strict', '{"n":1,"n":"text"}')).status).toBe(400);
    expect(await post('strict', '{"n":"text","n":1}')).toEqual({ status: 200, text: '{"n":1}' });
  });

  it.each(['[', '{"a":'])('nested 100,000 deep (%s) are refused, and the server goes on', async (opening) => {
    const closing = opening === '[' ? ']' : '}';
    const body = `{"n":${opening.repeat(100_000)}1${closing.repeat(100_000)}}`;
    expect((await post('open', body)).status).toBe(400);
    expect((await post('open', '{}')).status).toBe(200);
  });
});

describe('a result that is no JSON', () => {
  it('cannot pass for the answer to another message of a websocket', async () => {
    expect(await ask('liar', '{"id":"mine","arguments":{}}')).toMatchObject({
      id: 'mine',
      error: { code: 'upstream_invalid' },
    });
  });
});
