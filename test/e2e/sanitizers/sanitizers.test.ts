import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { createClient } from '../../../src/client/index.js';
import { LoadError } from '../../../src/core/index.js';
import { buildServer } from '../../../src/server/server.js';
import { connectOfficial } from '../../support/official-client.js';
import { bearer, keyEntry, loadFiles, startServer, type TestServerOptions } from '../../support/server.js';
import { sendJson, startUpstream } from '../../support/upstream.js';

const name = { type: 'string', pattern: '^[a-z\\u00e9 ]+$', 'x-sanitize': ['strip_html', 'strip_control', 'trim'] };
const inputs = { type: 'object', properties: { name }, required: ['name'], additionalProperties: false };
const nested = { type: 'object', properties: { tags: { type: 'array', items: name } }, additionalProperties: false };

function describeGate(origin: string, sanitized: object = inputs): TestServerOptions {
  const template = (more: object) => ({ call_template_type: 'http', url: `${origin}/x`, ...more });
  const tools = [
    { name: 'find', description: 'Finds.', inputs: sanitized, tool_call_template: template({}) },
    {
      name: 'label',
      description: 'Labels.',
      inputs: nested,
      tool_call_template: template({ http_method: 'POST', body_field: 'tags' }),
    },
  ];
  return {
    files: { 'shop.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools } },
    config: {
      manuals: [
        {
          name: 'shop',
          source: './shop.yaml',
          allow_private_hosts: ['127.0.0.1'],
          tools: { find: { log_arguments: ['name'] } },
        },
      ],
      policy: { roles: { agent: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }],
    },
  };
}

async function startGate() {
  const upstream = await startUpstream(({ url, body }, response) => sendJson(response, { url, body }));
  const server = await startServer(describeGate(upstream.origin));
  onTestFinished(() => server.close());
  return { server, upstream, url: server.url };
}

const dirty = ' <b>an</b>\u0000n ';
const post = { method: 'POST', headers: { ...bearer('k'), 'content-type': 'application/json' } };

describe('x-sanitize of an input, from a manual file', () => {
  it('cleans before validation and before the upstream, in every form of the call', async () => {
    const { url, server } = await startGate();
    const answers = [
      await fetch(`${url}/tools/shop/find`, { ...post, body: JSON.stringify({ name: dirty }) }),
      await fetch(`${url}/tools/shop/find?name=${encodeURIComponent(dirty)}`, { headers: bearer('k') }),
    ];
    for (const answer of answers) expect(await answer.json()).toMatchObject({ url: '/x?name=ann' });
    const labelled = await fetch(`${url}/tools/shop/label`, { ...post, body: JSON.stringify({ tags: [dirty, 'é'] }) });
    expect(await labelled.json()).toMatchObject({ body: '["ann","é"]' });
    expect(server.sink.of('tool.call').map((event) => event.arguments)).toEqual(
      expect.arrayContaining([{ name: 'ann' }]),
    );
  });

  it('cleans each message of an inbound websocket', async () => {
    const { url } = await startGate();
    const socket = new WebSocket(`${url.replace('http', 'ws')}/tools/shop/find/ws`, { headers: bearer('k') });
    onTestFinished(() => socket.terminate());
    await once(socket, 'open');
    socket.send(JSON.stringify({ id: 1, arguments: { name: dirty } }));
    const [message] = await once(socket, 'message');
    expect(JSON.parse(String(message))).toMatchObject({ id: 1, result: { url: '/x?name=ann' } });
  });

  it('is no pass for what stays bad: refused by pointer, and nothing reaches the upstream', async () => {
    const { url, upstream } = await startGate();
    const answer = await fetch(`${url}/tools/shop/find`, { ...post, body: '{"name": "<b>;</b>"}' });
    expect(await answer.json()).toMatchObject({ status: 400, code: 'invalid_input', errors: [{ pointer: '/name' }] });
    expect(upstream.requests).toEqual([]);
  });

  it('is published, so that the reference client cleans alike and the official client registers the tool', async () => {
    const { url } = await startGate();
    const client = createClient({ url, credential: { bearer: 'k' }, retries: 0 });
    onTestFinished(() => client.close());
    expect(await client.call('shop.find', { name: dirty })).toMatchObject({ url: '/x?name=ann' });
    const official = await connectOfficial(url, { bearer: 'k' });
    expect(official.errors).toEqual([]);
    expect(await official.call('find', { name: dirty })).toMatchObject({ url: '/x?name=ann' });
    expect(await official.call('label', { tags: [dirty] })).toMatchObject({ body: '["ann"]' });
  });

  it('that names no sanitizer fails the load, by file and pointer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const properties = { name: { type: 'string', 'x-sanitize': ['escape_sql'] } };
    const loaded = await loadFiles(folder, describeGate('http://127.0.0.1:9', { type: 'object', properties }));
    const error = await buildServer(loaded).catch((thrown: unknown) => thrown);
    if (!(error instanceof LoadError)) throw new Error('It loaded.');
    expect(error.findings).toMatchObject([
      { rule: 'schema-invalid', file: expect.stringContaining('shop.yaml'), pointer: '/tools/0/inputs' },
    ]);
    expect(error.findings[0]?.message).toContain('/properties/name/x-sanitize: must be a list of trim');
  });
});
