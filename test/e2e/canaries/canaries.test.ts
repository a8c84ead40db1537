import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';

/** Stands in every field of every template that takes a free text. */
const canary = 'canary7f3a';
/** Stands where credentials do; it may not even be in the log. */
const secret = `${canary}secret`;
const variable = 'API_CANARY';
const folder = mkdtempSync(join(tmpdir(), `gatehouse-${canary}-`));
const host = `${canary}.invalid`;

const apiKey = { auth_type: 'api_key', api_key: `\${${variable}}`, var_name: `X-${canary}`, location: 'header' };
const basic = { auth_type: 'basic', username: canary, password: `\${${variable}}` };
const oauth2 = {
  auth_type: 'oauth2',
  token_url: `https://${host}/token`,
  client_id: canary,
  client_secret: `\${${variable}}`,
  scope: canary,
};
const headers = { [`X-${canary}`]: canary, Authorization: `Bearer \${${variable}}` };
const request = { name: canary, url: `https://${host}/${canary}/{a}?k=${canary}`, headers, header_fields: ['b'] };
const file = { file_path: join(folder, '{a}'), allowed_paths: [folder], allowed_extensions: [`.${canary}`] };
const process = {
  name: canary,
  working_directory: folder,
  read_only_paths: [folder],
  environment: { [`API_${canary}`]: canary, SECRET: `\${${variable}}` },
};

/** Every call template type, filled with canaries; none of the hosts exists, so each call fails in its own way. */
function templates(upstream: string): Readonly<Record<string, Record<string, unknown>>> {
  return {
    http_key: { call_template_type: 'http', http_method: 'POST', ...request, auth: apiKey, body_field: 'c' },
    http_basic: { call_template_type: 'http', http_method: 'GET', ...request, header_fields: [], auth: basic },
    http_oauth: { call_template_type: 'http', http_method: 'PUT', ...request, auth: oauth2, body_field: 'c' },
    http_fails: { call_template_type: 'http', http_method: 'POST', url: `${upstream}/${canary}/fails`, headers },
    http_moved: { call_template_type: 'http', http_method: 'POST', url: `${upstream}/${canary}/moved`, headers },
    http_cut: { call_template_type: 'http', http_method: 'POST', url: `${upstream}/${canary}/cut`, headers },
    sse: { call_template_type: 'sse', ...request, header_fields: [], event_type: canary },
    ndjson: { call_template_type: 'streamable_http', http_method: 'POST', ...request, auth: apiKey, body_field: 'c' },
    websocket: {
      call_template_type: 'websocket',
      ...request,
      url: `wss://${host}/${canary}`,
      header_fields: [],
      protocol: canary,
      message: { [canary]: canary },
    },
    cli: { call_template_type: 'cli', ...process, command: join(folder, 'run'), args: [`--${canary}`, '{a}'] },
    cli_lines: {
      call_template_type: 'cli',
      name: canary,
      working_dir: folder,
      env_vars: { [`API_${canary}`]: canary },
      commands: [{ command: `/bin/cat /${canary}`, append_to_final_output: true }],
    },
    text: { call_template_type: 'text', ...file, encoding: 'utf-8', max_size: 77 },
    mcp: {
      call_template_type: 'mcp',
      name: canary,
      tool_name: canary,
      server_name: canary,
      config: { mcpServers: { [canary]: { url: `https://${host}/${canary}`, headers } } },
      auth: apiKey,
    },
  };
}

const upstream = createServer((incoming, response) => {
  if (incoming.url?.endsWith('fails')) response.writeHead(500, { 'x-trace': secret }).end(`${secret} at ${folder}`);
  else if (incoming.url?.endsWith('moved')) response.writeHead(302, { location: `https://${host}/` }).end();
  else response.destroy();
});
let server: TestServer;
beforeAll(async () => {
  writeFileSync(join(folder, 'run'), `#!/bin/sh\necho ${secret}; echo ${secret} >&2; exit 3\n`, { mode: 0o755 });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  const inputs = {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'string' }, c: { type: 'object' } },
  };
  const tools = Object.entries(templates(`http://127.0.0.1:${portOf(upstream.address())}`)).map(
    ([name, tool_call_template]) => ({
      name,
      description: 'One of every kind.',
      inputs,
      tool_call_template,
    }),
  );
  server = await startServer({
    config: {
      manuals: [{ name: 'm', source: `${canary}.yaml`, sandbox: 'none', allow_private_hosts: ['127.0.0.1'] }],
      variables: { allowed_prefixes: ['API_'] },
      policy: { roles: { all: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['all'], api_keys: { current: keyEntry('alice-key') } }],
      limits: { per_caller: { per_minute: 1000 } },
    },
    files: { [`${canary}.yaml`]: { utcp_version: '1.1.0', manual_version: '1.0.0', tools } },
    environment: { [variable]: secret },
  });
});
afterAll(async () => {
  await server.close();
  upstream.close();
  upstream.closeAllConnections();
  rmSync(folder, { recursive: true });
});

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address ? address.port : 0;
}

/** Everything that comes over the socket for one request, head and body. */
async function exchange(
  method: string,
  path: string,
  body = '',
  headers: Record<string, string> = {},
): Promise<string> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  const head = { host: hostname, connection: 'close', 'content-length': String(body.length), ...headers };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  let bytes = '';
  socket.on('data', (chunk) => {
    bytes += chunk.toString('latin1');
  });
  await once(socket, 'close');
  return bytes;
}

const alice = bearer('alice-key');

describe('no served byte holds an upstream address, header, path or secret of a routed tool', () => {
  it.each([
    ['GET', '/utcp'],
    ['GET', '/utcp/m'],
    ['GET', '/utcp/nothing'],
    ['HEAD', '/utcp'],
    ['OPTIONS', '/utcp'],
    ['GET', '/.well-known/oauth-protected-resource'],
    ['GET', '/.well-known/oauth-authorization-server'],
    ['GET', '/.well-known/jwks.json'],
    ['GET', '/livez'],
    ['GET', '/readyz'],
    ['GET', '/readyz?verbose'],
    ['GET', '/metrics'],
    ['POST', '/oauth/token'],
    ['GET', '/no/such/place'],
  ])('%s %s, with a credential and without', async (method, path) => {
    for (const headers of [alice, {}]) {
      const answer = await exchange(method, path, '', headers);
      expect(answer).toMatch(/^HTTP\/1\.1 /);
      expect(answer).not.toContain(canary);
    }
  });

  const kinds = Object.keys(templates('http://127.0.0.1:1'));
  it('plants a canary for every call template type', () => {
    const types = new Set(Object.values(templates('http://127.0.0.1:1')).map((one) => one.call_template_type));
    expect([...types]).toEqual(['http', 'sse', 'streamable_http', 'websocket', 'cli', 'text', 'mcp']);
  });

  it.each(kinds)(
    'calls of %s, that fail before, in and after their upstream',
    async (name) => {
      const bodies = ['{}', '{"a":"x"}', '{"a":"x","b":"y","c":{}}', '{"a":"../../x"}', '{"a":1}', '{', '[]'];
      for (const body of bodies) {
        const answer = await exchange('POST', `/tools/m/${name}`, body, alice);
        expect(answer).toMatch(/^HTTP\/1\.1 [45]/);
        expect(answer).not.toContain(canary);
      }
      for (const path of ['?a=x', '/body?a=x&b=y', '/ws']) {
        expect(await exchange('GET', `/tools/m/${name}${path}`, '', alice)).not.toContain(canary);
      }
      const streamed = await exchange('POST', `/tools/m/${name}`, '{"a":"x"}', {
        ...alice,
        accept: 'text/event-stream',
      });
      expect(streamed).not.toContain(canary);
    },
    60_000,
  );

  it('and no event holds a credential or an argument', () => {
    const log = JSON.stringify(server.sink.events);
    expect(server.sink.events.length).toBeGreaterThan(100);
    expect(log).not.toContain(secret);
    expect(log).not.toContain('alice-key');
  });
});
