import { describe, expect, it } from 'vitest';
import { type JsonObject, LoadError, type PreparedCall } from '../../src/core/index.js';
import { importOpenApi } from '../../src/manual/index.js';
import { makeBinding } from '../support/binding.js';
import { call, makeRegistry } from '../support/http-call.js';
import { sendJson, startUpstream } from '../support/upstream.js';

/** Imports a document with one operation and binds its tool, as the server does with `routed` tools. */
async function bindOperation(
  document: JsonObject,
  options: { allow?: readonly string[]; base_url?: string; source_url?: string } = {},
): Promise<PreparedCall> {
  const text = JSON.stringify({
    openapi: '3.0.3',
    info: { title: 'Books', version: '1.0.0' },
    paths: { '/books': { get: { operationId: 'list_books', responses: { 200: { description: 'ok' } } } } },
    ...document,
  });
  const imported = await importOpenApi(text, { name: 'books', file: 'openapi.json', ...options });
  const [tool] = imported.manual.tools;
  if (!tool) throw new Error('no tool');
  const settings = { allow_private_hosts: options.allow ?? [] };
  const binding = makeBinding({ inputs: tool.inputs, settings, variables: { API_BOOKS_KEY: 'canary' } });
  return makeRegistry().registry.prepareTool(tool.tool_call_template, binding);
}

describe('GHSA-r8j5-8747-88cm: an OpenAPI document chooses the host by servers[0].url', () => {
  it.each([
    'http://169.254.169.254/latest',
    'https://169.254.169.254',
    'https://127.0.0.1:8443',
    'https://localhost/api',
    'https://[::1]',
    'https://[::ffff:10.0.0.1]',
    'https://2130706433',
    'https://10.0.0.1',
    'http://api.example.com',
    'https://user:pass@api.example.com',
  ])('%s fails the load of a tool', async (url) => {
    await expect(bindOperation({ servers: [{ url }] })).rejects.toThrow(LoadError);
  });

  it('neither does an operation, a path, a server variable or a relative server get there', async () => {
    const inner = { url: 'https://10.0.0.1' };
    const get = { operationId: 'list_books', responses: { 200: { description: 'ok' } } };
    const servers = [{ url: 'https://api.example.com' }];
    const documents: readonly JsonObject[] = [
      { servers, paths: { '/books': { get: { ...get, servers: [inner] } } } },
      { servers, paths: { '/books': { servers: [inner], get } } },
      { servers: [{ url: 'https://{host}', variables: { host: { default: '10.0.0.1' } } }] },
    ];
    for (const document of documents) await expect(bindOperation(document)).rejects.toThrow(LoadError);
    const source_url = 'https://10.0.0.1/openapi.json';
    await expect(bindOperation({ servers: [{ url: '/v1' }] }, { source_url })).rejects.toThrow(LoadError);
  });

  it('a document that moves its server after it was configured is refused; base_url keeps it where it was', async () => {
    const upstream = await startUpstream((request, response) => sendJson(response, request.url));
    const evil = await startUpstream((_request, response) => response.end('secret'));
    const moved = { servers: [{ url: evil.origin }] };
    await expect(bindOperation(moved)).rejects.toThrow(LoadError);
    const kept = await bindOperation(moved, { base_url: `${upstream.origin}/v1`, allow: ['127.0.0.1'] });
    expect(await call(kept)).toBe('/v1/books');
    expect(evil.connections.made).toBe(0);
  });

  it('a token URL of its security schemes passes the same guard', async () => {
    const flow = (tokenUrl: string) => ({
      servers: [{ url: 'https://api.example.com' }],
      security: [{ oauth: [] }],
      components: {
        securitySchemes: { oauth: { type: 'oauth2', flows: { clientCredentials: { tokenUrl, scopes: {} } } } },
      },
    });
    await expect(bindOperation(flow('https://10.0.0.1/token'))).rejects.toThrow(/auth\/token_url.*private/);
    await expect(bindOperation(flow('http://auth.example.com/token'))).rejects.toThrow(/auth\/token_url.*plain text/);
  });
});
