import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Arguments, type AuthoredTool, CallScope } from '../../../src/core/index.js';
import { importOpenApi } from '../../../src/manual/openapi/import.js';
import { createProtocols } from '../../../src/protocols/registry.js';
import { makeBinding } from '../../support/binding.js';
import { missingSharedData, sharedDocument, skipSharedData } from '../../support/shared-data.js';
import { importOperation } from './document.js';

const protocols = createProtocols({ report: () => undefined });
const received: { url: string; headers: IncomingMessage['headers']; body: string }[] = [];
const upstream = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  received.push({ url: request.url ?? '', headers: request.headers, body });
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
});

beforeAll(() => new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve)));
afterAll(async () => {
  await protocols.close();
  await new Promise((resolve) => upstream.close(resolve));
});

function address(): string {
  const { port }: AddressInfo | { port: number } = Object(upstream.address());
  return `http://127.0.0.1:${port}`;
}

async function call(tool: AuthoredTool, args: Arguments) {
  const binding = makeBinding({ inputs: tool.inputs, variables: { API_DEMO_KEY: 'k-1', API_DEMO_TOKEN: 't-1' } });
  await protocols.prepareTool(tool.tool_call_template, binding).call(args, new CallScope('r1', 5000, 'alice'));
  return received.at(-1);
}

describe('a mapped operation, called', () => {
  const text = { type: 'string' };

  it('puts each argument where the document says, renamed or not', async () => {
    const { tool } = await importOperation(
      {
        parameters: [
          { name: 'item-id', in: 'path', schema: text },
          { name: 'id', in: 'path', schema: text },
          { name: 'id', in: 'query', schema: text },
          { name: '$top', in: 'query', schema: { type: 'integer' } },
          { name: 'tag', in: 'query', schema: { type: 'array', items: text } },
          { name: 'sort', in: 'query', explode: false, schema: { type: 'array', items: text } },
          { name: 'filter', in: 'query', style: 'deepObject', schema: { properties: { min: { type: 'integer' } } } },
          { name: 'X-Trace', in: 'header', schema: text },
          { name: 'session', in: 'cookie', required: true, schema: text },
        ],
        requestBody: { content: { 'application/json': { schema: { type: 'object' } } } },
        security: [{ bearer: [], key: [] }],
        responses: {},
      },
      {
        method: 'post',
        path: '/things/{id}/{item-id}',
        servers: [{ url: address() }],
        components: {
          securitySchemes: {
            bearer: { type: 'http', scheme: 'bearer' },
            key: { type: 'apiKey', in: 'header', name: 'X-Key' },
          },
        },
      },
    );
    const seen = await call(tool, {
      ...{ item_id: 'a/b', id_path: 'p', id: 'q', $top: 5, tag: ['x', 'y'], sort: 'a,b', 'filter[min]': 3 },
      ...{ 'X-Trace': 'abc', session: 's1', body: { title: 'é', done: true } },
    });
    const url = new URL(seen?.url ?? '', address());
    expect(url.pathname).toBe('/things/p/a%2Fb');
    expect([...url.searchParams]).toEqual([
      ['id', 'q'],
      ['$top', '5'],
      ['tag', 'x'],
      ['tag', 'y'],
      ['sort', 'a,b'],
      ['filter[min]', '3'],
    ]);
    expect(seen?.headers).toMatchObject({
      'x-trace': 'abc',
      cookie: 'session=s1',
      authorization: 'Bearer t-1',
      'x-key': 'k-1',
      'content-type': 'application/json',
    });
    expect(JSON.parse(seen?.body ?? '')).toEqual({ title: 'é', done: true });
  });

  it.each([
    ['application/x-www-form-urlencoded', { a: 'x y', b: 2 }, 'a=x%20y&b=2'],
    ['text/plain', 'hello', 'hello'],
  ])('sends a body of %s', async (type, body, expected) => {
    const schema = { type: 'object', properties: { a: text, b: { type: 'integer' } } };
    const { tool } = await importOperation(
      { requestBody: { content: { [type]: { schema } } }, responses: {} },
      { method: 'put', servers: [{ url: address() }] },
    );
    const seen = await call(tool, { body });
    expect(seen?.body.replaceAll('+', '%20')).toBe(expected);
    expect(seen?.headers['content-type']).toBe(type);
  });
});

describe.skipIf(skipSharedData)(`real documents (${missingSharedData})`, () => {
  it.each(['1password-events', 'adafruit-io', 'github-rest'])('%s: every tool binds to its protocol', async (name) => {
    const document = readFileSync(sharedDocument(`${name}.openapi.json`), 'utf8');
    const { manual } = await importOpenApi(document, { name: 'demo', file: name });
    const variables = { API_DEMO_TOKEN: 'a', API_DEMO_HEADERKEY: 'a', API_DEMO_KEY: 'a' };
    for (const tool of manual.tools) {
      protocols.prepareTool(tool.tool_call_template, makeBinding({ inputs: tool.inputs, variables }));
    }
  });
});
