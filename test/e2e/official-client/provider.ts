import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { keyEntry, startServer, type TestServer } from '../../support/server.js';
import { type SeenRequest, sendJson, startUpstream } from '../../support/upstream.js';

const text = { type: 'string', maxLength: 1000 };
const routed = (http_method: string, path: string, more: object = {}) => ({
  call_template_type: 'http',
  http_method,
  url: `\${API_ECHO_URL}${path}`,
  ...more,
});

const tools = [
  {
    name: 'get_item',
    description: 'Reads one item.',
    tags: ['read'],
    inputs: {
      type: 'object',
      properties: { id: text, page: { type: 'integer' }, ratio: { type: 'number' } },
      required: ['id'],
      additionalProperties: false,
    },
    tool_call_template: routed('GET', '/items/{id}'),
  },
  {
    name: 'find_items',
    description: 'Reads items by conditions that a query string cannot carry in every client.',
    tags: ['read'],
    inputs: {
      type: 'object',
      properties: {
        fresh: { type: 'boolean' },
        tags: { type: 'array', items: text },
        owner: { type: ['string', 'null'] },
      },
      additionalProperties: false,
    },
    tool_call_template: routed('GET', '/items'),
  },
  {
    name: 'create_item',
    description: 'Writes an item.',
    tags: ['write'],
    inputs: {
      type: 'object',
      properties: { item: { type: 'object', properties: { title: text }, required: ['title'] } },
      required: ['item'],
      additionalProperties: false,
    },
    tool_call_template: routed('POST', '/items', { body_field: 'item' }),
  },
  {
    name: 'update_item',
    description: 'Writes an item at a path.',
    tags: ['write'],
    inputs: {
      type: 'object',
      properties: { id: text, item: { type: 'object' } },
      required: ['id', 'item'],
      additionalProperties: false,
    },
    tool_call_template: routed('PUT', '/items/{id}', { body_field: 'item' }),
  },
  {
    name: 'drop_items',
    description: 'Deletes everything.',
    tags: ['admin'],
    inputs: { type: 'object', properties: {}, additionalProperties: false },
    tool_call_template: routed('DELETE', '/items'),
  },
];

export interface EchoProvider extends TestServer {
  /** What the upstream was asked, body and all. */
  readonly requests: readonly SeenRequest[];
}

/** A Gatehouse in front of an upstream that answers what it was asked; callers `reader` and `editor`, client `batch`. */
export async function startEchoProvider(more: Record<string, unknown> = {}): Promise<EchoProvider> {
  const upstream = await startUpstream(({ method, url, body }, response) =>
    sendJson(response, { method, url, body: body === '' ? null : JSON.parse(body) }),
  );
  const server = await startServer({
    environment: { API_ECHO_URL: upstream.origin },
    files: { 'echo.yaml': { utcp_version: '1.1.0', manual_version: '1.2.3', tools } },
    config: {
      manuals: [{ name: 'echo', source: './echo.yaml', allow_private_hosts: ['127.0.0.1'] }],
      policy: {
        roles: {
          reader: { discover: ['tag:read', 'echo.create_item'], call: ['tag:read'] },
          editor: { discover: ['tag:read', 'tag:write'], call: ['tag:read', 'tag:write'] },
        },
      },
      callers: [
        { id: 'reader', roles: ['reader'], api_keys: { current: keyEntry('reader-key') } },
        { id: 'editor', roles: ['editor'], api_keys: { current: keyEntry('editor-key') } },
        {
          id: 'batch',
          roles: ['editor'],
          oauth_client: {
            client_id: 'batch',
            secret_sha256: createHash('sha256').update('batch secret').digest('hex'),
            scopes: ['tools:read', 'tools:execute'],
          },
        },
      ],
      ...more,
    },
  });
  onTestFinished(() => server.close());
  return { ...server, requests: upstream.requests };
}
