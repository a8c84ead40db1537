import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocketServer } from 'ws';
import { type ClientOptions, createClient } from '../../../src/client/index.js';
import { everythingServer } from '../../support/mcp.js';
import { describeWithProgram } from '../../support/requirement.js';
import { keyEntry, startServer } from '../../support/server.js';
import { sendJson, startUpstream } from '../../support/upstream.js';

const text = { type: 'string', maxLength: 200 };

/** A Gatehouse that serves one direct tool as it is written, and the reference client of a caller that may use it. */
async function startDirect(tool: Record<string, unknown>, options: Partial<ClientOptions> = {}) {
  const server = await startServer({
    files: {
      'own.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [{ description: 'A tool.', ...tool }] },
    },
    config: {
      manuals: [{ name: 'own', source: './own.yaml', expose: 'direct', allow_private_hosts: ['127.0.0.1'] }],
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('S3CRET') } }],
    },
  });
  onTestFinished(() => server.close());
  const client = createClient({ url: server.url, credential: { bearer: 'S3CRET' }, retries: 0, ...options });
  onTestFinished(() => client.close());
  return client;
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-direct-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

describe('the reference client calls direct tools by the protocols of the server', () => {
  it('http, on another origin: variables from the client, no credential of the provider', async () => {
    const upstream = await startUpstream(({ url }, response) => sendJson(response, { url }));
    const client = await startDirect(
      {
        name: 'get',
        inputs: { type: 'object', properties: { id: text }, required: ['id'], additionalProperties: false },
        tool_call_template: {
          call_template_type: 'http',
          url: `${upstream.origin}/x/{id}`,
          auth: { auth_type: 'api_key', api_key: '${API_KEY}', var_name: 'X-Key', location: 'header' },
        },
      },
      { variables: { API_KEY: 'mine' } },
    );
    expect(await client.call('own.get', { id: 'a/b' })).toEqual({ url: '/x/a%2Fb' });
    expect(upstream.requests[0]?.headers['x-key']).toBe('mine');
    expect(JSON.stringify(upstream.requests)).not.toContain('S3CRET');
  });

  it('sse and streamable_http, as streams', async () => {
    const upstream = await startUpstream(({ url }, response) => {
      const events = url === '/sse';
      response.writeHead(200, { 'content-type': events ? 'text/event-stream' : 'application/x-ndjson' });
      response.end(events ? 'data: {"n":1}\n\ndata: {"n":2}\n\n' : '{"n":1}\n{"n":2}\n');
    });
    for (const [type, path] of [
      ['sse', '/sse'],
      ['streamable_http', '/lines'],
    ] as const) {
      const client = await startDirect({
        name: 'feed',
        inputs: { type: 'object', properties: {}, additionalProperties: false },
        tool_call_template: { call_template_type: type, url: `${upstream.origin}${path}` },
      });
      const items: unknown[] = [];
      for await (const { data } of client.stream('feed')) items.push(data);
      expect(items).toEqual([{ n: 1 }, { n: 2 }]);
    }
  });

  it('websocket', async () => {
    const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`{"got":${String(data)}}`)));
    await once(sockets, 'listening');
    onTestFinished(() => void sockets.close());
    const address = sockets.address();
    if (typeof address !== 'object' || address === null) throw new Error('The server does not listen on a port.');
    const client = await startDirect({
      name: 'ask',
      inputs: { type: 'object', properties: { q: text }, additionalProperties: false },
      tool_call_template: { call_template_type: 'websocket', url: `ws://127.0.0.1:${address.port}/` },
    });
    expect(await client.call('ask', { q: 'é' })).toEqual({ got: { q: 'é' } });
  });

  it('text and file, once allowed: paths stay inside', async () => {
    const folder = makeFolder();
    writeFileSync(join(folder, 'note.txt'), 'hello');
    const client = await startDirect(
      {
        name: 'read',
        inputs: { type: 'object', properties: { path: text }, required: ['path'], additionalProperties: false },
        tool_call_template: { call_template_type: 'text', file_path: `${folder}/\${path}`, allowed_paths: [folder] },
      },
      { allowed_protocols: ['text'] },
    );
    expect(await client.call('read', { path: 'note.txt' })).toBe('hello');
    await expect(client.call('read', { path: '../../etc/passwd' })).rejects.toMatchObject({
      name: 'PathNotAllowedError',
    });
  });
});

describeWithProgram('bwrap', 'the reference client runs programs in the sandbox, once allowed', () => {
  it('cli', async () => {
    const client = await startDirect(
      {
        name: 'say',
        inputs: { type: 'object', properties: { words: text }, required: ['words'], additionalProperties: false },
        tool_call_template: { call_template_type: 'cli', command: '/usr/bin/printf', args: ['%s', '${words}'] },
      },
      { allowed_protocols: ['cli'] },
    );
    expect(await client.call('say', { words: 'a; cat /etc/passwd' })).toBe('a; cat /etc/passwd');
  });

  it('mcp', async () => {
    const client = await startDirect(
      {
        name: 'echo',
        inputs: { type: 'object', properties: { message: text }, required: ['message'], additionalProperties: false },
        tool_call_template: { call_template_type: 'mcp', server_config: everythingServer() },
      },
      { allowed_protocols: ['mcp'] },
    );
    expect(JSON.stringify(await client.call('echo', { message: 'hello' }))).toContain('hello');
  });
});
