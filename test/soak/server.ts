import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { HangingUpstream } from '../support/hanging-upstream.js';
import { everythingServer } from '../support/mcp.js';
import { startRedis } from '../support/redis.js';
import { Replica } from '../support/replica.js';
import { keyEntry } from '../support/server.js';
import { startWebsocketUpstream } from '../support/websocket-upstream.js';
import { samplerOptions } from './sample.js';

export const jwtSecret = 'a shared secret of more than 32 octets';
/** Callers that may do everything. */
export const agents = Array.from({ length: 20 }, (_, index) => `agent-${index}`);
export const audience = 'https://tools.example';

/** One Gatehouse with every protocol, on Redis, with upstreams of its own; everything ends with `close`. */
export interface SoakServer {
  readonly replica: Replica;
  /** Writes the configuration anew: a changed one by turns, a broken one each third time. */
  reload(turn: number): void;
  close(): Promise<number | null>;
}

export async function startSoakServer(build: string): Promise<SoakServer> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-soak-'));
  const [upstream, failing, redis] = await Promise.all([
    HangingUpstream.start(),
    HangingUpstream.start(),
    startRedis(folder),
  ]);
  const desk = await startWebsocketUpstream((client) => client.on('message', (data) => client.send(String(data))));
  const config = stringify(describeConfig(folder));
  const manual = (version: number) => stringify({ ...describeManual(), manual_version: `1.0.${version}` });
  writeFileSync(join(folder, 'gatehouse.yaml'), config);
  writeFileSync(join(folder, 'm.yaml'), manual(0));
  const replica = new Replica({
    build,
    config: join(folder, 'gatehouse.yaml'),
    node: samplerOptions,
    environment: {
      UTCP_REDIS_URL: redis.url,
      UTCP_JWT_SECRET: jwtSecret,
      API_URL: upstream.origin,
      API_FAILING_URL: failing.origin,
      API_DESK_URL: `ws://127.0.0.1:${desk.port}`,
    },
  });
  await replica.start();
  return {
    replica,
    reload(turn) {
      writeFileSync(join(folder, 'gatehouse.yaml'), turn % 3 === 2 ? config.slice(0, -40) : config);
      writeFileSync(join(folder, 'm.yaml'), manual(turn % 2));
      if (turn % 5 === 4) replica.child.kill('SIGHUP');
    },
    async close() {
      const code = await Promise.race([replica.stop(), sleep(20_000, null, { ref: false })]);
      await Promise.all([upstream.close(), failing.close(), desk.close(), redis.stop()]);
      rmSync(folder, { recursive: true, force: true });
      return code;
    },
  };
}

function describeConfig(folder: string) {
  const streaming = { publish_as: ['http', 'sse', 'streamable_http'] };
  return {
    server: { port: 0, admin: { port: 0 }, trust_proxy: ['127.0.0.1'] },
    manuals: [
      {
        name: 'm',
        source: './m.yaml',
        allow_private_hosts: ['127.0.0.1'],
        max_retries: 1,
        tools: { events: streaming, talk: streaming, stall: { timeout_ms: 300 } },
      },
    ],
    policy: {
      roles: {
        agent: { discover: ['*'], call: ['*'] },
        reader: { discover: ['m.item', 'm.write'], call: ['m.item'], deny: ['m.drop'] },
        careful: { discover: ['*'], call: ['m.item'], when: 'args.id != "x"' },
      },
    },
    callers: [
      ...agents.map((id) => ({ id, roles: ['agent'], api_keys: { current: keyEntry(`${id}-key`) } })),
      { id: 'reader', roles: ['reader'], api_keys: { current: keyEntry('reader-key') } },
      { id: 'careful', roles: ['careful'], api_keys: { current: keyEntry('careful-key') } },
      {
        id: 'batch',
        roles: ['reader'],
        oauth_client: {
          client_id: 'batch',
          secret_sha256: createHash('sha256').update('batch-secret').digest('hex'),
          scopes: ['tools:read', 'tools:execute'],
        },
      },
    ],
    auth: { jwt: [{ issuer: 'local', audience, secret_variable: 'UTCP_JWT_SECRET', algorithms: ['HS256'] }] },
    // Windows and tables that are full well before the second half of the shortest run.
    limits: {
      per_caller: { per_minute: 20_000 },
      per_tool: { 'm.write': { per_minute: 30 } },
      auth_failures_per_address: { per_minute: 20 },
      auth_failures_per_caller: { per_minute: 60 },
    },
    anomalies: { max_profiles: 500 },
    state: { redis_url_variable: 'UTCP_REDIS_URL' },
    security_log: { file: join(folder, 'security.log'), hash_chain: true, max_file_bytes: 1_048_576, max_files: 3 },
  };
}

function describeManual() {
  const id = { type: 'string', maxLength: 100 };
  const tool = (name: string, template: object, properties: object = { id }) => ({
    name,
    description: `The tool ${name}.`,
    inputs: { type: 'object', properties, additionalProperties: false },
    tool_call_template: template,
  });
  const http = (route: string, more: object = {}) => ({
    call_template_type: 'http',
    http_method: 'GET',
    url: `\${API_URL}/${route}/{id}`,
    ...more,
  });
  return {
    utcp_version: '1.1.0',
    manual_version: '1.0.0',
    tools: [
      tool('item', http('item')),
      tool('big', http('big')),
      tool('slow', http('slow')),
      tool('stall', http('stall')),
      tool('fail', http('fail', { url: '${API_FAILING_URL}/fail/{id}' })),
      tool('write', http('write', { http_method: 'POST' })),
      tool('drop', http('drop', { http_method: 'DELETE' })),
      tool('events', { call_template_type: 'sse', url: '${API_URL}/events/{id}' }),
      tool('talk', { call_template_type: 'websocket', url: '${API_DESK_URL}/' }, { text: { type: 'string' } }),
      tool('echo', { call_template_type: 'cli', command: '/usr/bin/echo', args: ['{id}'] }),
      tool('say', { call_template_type: 'mcp', tool_name: 'echo', server_config: everythingServer() }, { message: id }),
      tool('note', { call_template_type: 'text', content: 'a note' }),
    ],
  };
}
