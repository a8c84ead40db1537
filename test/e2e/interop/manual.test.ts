import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isJsonObject, type Json, type JsonObject } from '../../../src/core/index.js';
import { connectOfficial } from '../../support/official-client.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';

/** A manual with everything that a client rejects whole manuals for, as providers write it. */
const authored = {
  utcp_version: '1.0.1',
  manual_version: '1.2.0',
  provider: { name: 'odd' },
  info: null,
  tools: [
    {
      name: 'list-odd.things',
      description: 'Lists.',
      vendor: { x: 1 },
      tags: null,
      average_response_size: null,
      outputs: null,
      inputs: {
        type: 'object',
        properties: {
          open: true,
          never: false,
          title: { type: 'string', minLength: 1, default: null, nullable: null },
          mode: { enum: ['a', null] },
        },
        additionalProperties: true,
      },
      tool_call_template: {
        name: null,
        call_template_type: 'http',
        http_method: 'POST',
        url: 'https://up.example/x?$$top=5',
        body_field: null,
        headers: null,
        auth: {
          auth_type: 'oauth2',
          token_url: 'https://up.example/t',
          client_id: 'a',
          client_secret: 'b',
          scope: null,
        },
      },
    },
    {
      name: 'get_odd',
      description: 'Gets.',
      inputs: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      tool_call_template: {
        call_template_type: 'http',
        http_method: 'GET',
        url: 'https://up.example/{id}/again/{id}',
        auth: { auth_type: 'api_key', api_key: '${API_KEY}', var_name: 'sid', location: 'cookie' },
      },
    },
    {
      name: 'watch',
      description: 'Follows.',
      inputs: { type: 'object', properties: {} },
      tool_call_template: { call_template_type: 'sse', url: 'https://up.example/events' },
    },
    {
      name: 'lines',
      description: 'Streams.',
      inputs: { type: 'object', properties: { q: { type: 'string' } } },
      tool_call_template: { call_template_type: 'streamable_http', url: 'https://up.example/lines' },
    },
    {
      name: 'talk',
      description: 'Talks.',
      inputs: { type: 'object', properties: {} },
      tool_call_template: { call_template_type: 'websocket', url: 'wss://up.example/ws' },
    },
    {
      name: 'hours',
      description: 'Tells.',
      inputs: { type: 'object', properties: {} },
      tool_call_template: { call_template_type: 'text', content: 'nine to five' },
    },
  ],
};

let server: TestServer;
let served: JsonObject;
let tools: readonly JsonObject[];
let templates: readonly JsonObject[];

beforeAll(async () => {
  const streams = { publish_as: ['http', 'sse', 'streamable_http'] };
  server = await startServer({
    environment: { API_KEY: 'upstream-key' },
    files: { 'odd.yaml': authored },
    config: {
      manuals: [{ name: 'odd', source: './odd.yaml', tools: { watch: streams, lines: streams } }],
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }],
    },
  });
  served = Object(await (await fetch(`${server.url}/utcp`, { headers: bearer('k') })).json());
  tools = objectsIn(served.tools);
  templates = tools.map(({ tool_call_template }) => tool_call_template).filter(isJsonObject);
});
afterAll(() => server.close());

function objectsIn(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

/** Every value of a JSON value, itself included. */
function valuesIn(value: Json | undefined): readonly Json[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return [value, ...value.flatMap((item: Json) => valuesIn(item))];
  return isJsonObject(value) ? [value, ...Object.values(value).flatMap(valuesIn)] : [value];
}

/** Every schema within a schema, itself included. */
function schemasIn(schema: Json | undefined): readonly (Json | undefined)[] {
  if (!isJsonObject(schema)) return [schema];
  const { properties, items, additionalProperties, anyOf, not } = schema;
  const below = [
    ...(isJsonObject(properties) ? Object.values(properties) : []),
    ...(Array.isArray(anyOf) ? anyOf : []),
    ...[items, additionalProperties, not].filter(isJsonObject),
  ];
  return [schema, ...below.flatMap(schemasIn)];
}

const inputSchemas = () => tools.flatMap(({ inputs }) => schemasIn(inputs));

describe('what no client could take', () => {
  it.each([
    ['type: any', { type: 'any' }, '/properties/a/type'],
    ['a boolean required', { type: 'string', required: true }, '/properties/a/required'],
    ['a broken length', { type: 'string', maxLength: 9.5 }, '/properties/a/maxLength'],
  ])('is refused at load, by its place: %s', async (_what, schema, pointer) => {
    const inputs = { type: 'object', properties: { a: schema } };
    const tool = {
      name: 'one',
      description: 'One.',
      inputs,
      tool_call_template: { call_template_type: 'http', url: 'https://up.example/' },
    };
    const loading = startServer({
      files: { 'one.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [tool] } },
      config: { manuals: [{ name: 'one', source: './one.yaml' }] },
    });
    await expect(loading).rejects.toThrow(pointer);
  });
});

describe('a manual that every official client takes, whatever the provider wrote', () => {
  it('has exactly utcp_version, manual_version and tools at its top', () => {
    expect(Object.keys(served).sort()).toEqual(['manual_version', 'tools', 'utcp_version']);
    expect(tools.length).toBeGreaterThanOrEqual(authored.tools.length);
  });

  it('has a utcp_version that is a text', () => {
    expect(served.utcp_version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('has no key in a tool beyond those of UTCP', () => {
    const known = ['name', 'description', 'inputs', 'outputs', 'tags', 'average_response_size', 'tool_call_template'];
    expect(tools.flatMap((tool) => Object.keys(tool)).filter((key) => !known.includes(key))).toEqual([]);
  });

  it('has no null anywhere', () => {
    expect(valuesIn(served)).not.toContain(null);
  });

  it('has http tools, and the streaming forms that the configuration asks for, and no other type', () => {
    const types = templates.map(({ call_template_type }) => call_template_type);
    expect(new Set(types)).toEqual(new Set(['http', 'sse', 'streamable_http']));
    expect(types.filter((type) => type === 'http')).toHaveLength(authored.tools.length);
  });

  it('has methods in upper case, and of streams GET or POST', () => {
    for (const { call_template_type: type, http_method: method } of templates) {
      const allowed = type === 'http' ? ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] : ['GET', 'POST', undefined];
      expect(allowed).toContain(method);
    }
  });

  it('has schemas without booleans in their place, `any`, a boolean required or broken lengths', () => {
    for (const schema of inputSchemas()) {
      if (!isJsonObject(schema)) throw new Error(`${JSON.stringify(schema)} is no schema object.`);
      expect(valuesIn(schema.type)).not.toContain('any');
      expect(typeof schema.required).not.toBe('boolean');
      for (const length of [schema.minLength, schema.maxLength].filter((value) => value !== undefined)) {
        expect(Number.isInteger(length)).toBe(true);
      }
    }
  });

  it('has on every tool an auth of its own, in the shape of UTCP, never in a cookie', () => {
    for (const { auth } of templates) {
      expect(auth).toEqual({
        auth_type: 'api_key',
        api_key: 'Bearer ${TOKEN}',
        var_name: 'Authorization',
        location: 'header',
      });
    }
  });

  it('has no dollar sign in a template but of a variable', () => {
    const texts = templates.flatMap(valuesIn).filter((value) => typeof value === 'string');
    expect(texts.filter((text) => text.replace(/\$\{\w+\}/g, '').includes('$'))).toEqual([]);
  });

  it('has names that are identifiers, and unique', () => {
    const names = tools.map(({ name }) => String(name));
    expect(names.filter((name) => !/^[A-Za-z_]\w*$/.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('has no path parameter twice in a URL', () => {
    for (const { url } of templates) {
      const parameters = [...String(url).matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(new Set(parameters).size).toBe(parameters.length);
    }
  });

  it('has URLs of https or a loopback literal, each below the public URL', () => {
    for (const { url } of templates) expect(String(url).startsWith(`${server.url}/tools/odd/`)).toBe(true);
    expect(new URL(server.url).hostname).toBe('127.0.0.1');
  });

  it('is registered whole by the official client', async () => {
    const protocols = ['http', 'sse', 'streamable_http'];
    const client = await connectOfficial(server.url, { bearer: 'k' }, { protocols });
    expect(client.errors).toEqual([]);
    expect(client.tools).toEqual(tools.map(({ name }) => name));
  });
});
