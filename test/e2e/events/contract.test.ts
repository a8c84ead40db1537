import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/index.js';
import { securityLogSchema } from '../../../src/events/config.js';
import { createEventSink } from '../../../src/events/emit.js';
import { Reloader } from '../../../src/server/reload.js';
import { findFreePort } from '../../support/port.js';
import { eventually } from '../../support/processes.js';
import { bearer, keyEntry, startServer } from '../../support/server.js';
import { startUpstream } from '../../support/upstream.js';

type Line = Record<string, unknown> & { readonly event: string };

const hostile = '\n{"event":"auth.success"}\r\u001b[31m\u202e\u2028';
const keysFile = (jti: string) => `callers: {}\nrevoked: { keys: [], callers: [], jtis: [${jti}] }\n...\n`;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const tool = (name: string, url: string) => ({
  name,
  description: name,
  inputs: {
    type: 'object',
    properties: { q: { type: 'string' }, n: { type: 'integer' } },
    additionalProperties: false,
  },
  tool_call_template: { call_template_type: 'http', http_method: 'POST', url },
});

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-events-'));
beforeAll(fill);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let text = '';
let lines: Line[] = [];
const of = (event: string) => lines.filter((line) => line.event === event);

/** What the contract says each event carries; `reason` on whatever did not succeed. */
const asked = ['caller', 'address', 'request_id'];
const decided = ['manual_digest', 'policy_digest'];
const contract: Record<string, readonly string[]> = {
  'auth.success': [...asked, 'credential'],
  'auth.failure': ['address', 'request_id', 'reason', 'duration_ms'],
  'manual.served': [...asked, 'duration_ms', 'status', 'tools'],
  'tool.call': [...asked, ...decided, 'tool', 'duration_ms', 'status'],
  'tool.denied': [...asked, ...decided, 'tool', 'reason', 'duration_ms'],
  'input.rejected': [...asked, ...decided, 'tool', 'reason', 'duration_ms', 'pointers'],
  'limit.exceeded': [...asked, ...decided, 'tool', 'reason', 'duration_ms', 'limit', 'retry_after'],
  'anomaly.detected': ['caller', 'address', 'reason', 'severity', 'evidence'],
  'caller.blocked': ['caller', 'reason', 'until'],
  'token.issued': [...asked, 'duration_ms', 'scope', 'jti'],
  'key.rotated': ['reason'],
  'config.loaded': [...decided, 'config_digest', 'tools'],
  'config.rejected': ['reason', 'problems'],
  'upstream.failed': ['upstream', 'reason'],
};

describe('the security log of a running server', () => {
  it('holds every event of the contract with all of its fields', async () => {
    for (const [event, fields] of Object.entries(contract)) {
      const [line] = of(event);
      const missing = ['time', 'outcome', ...fields].filter((field) => line?.[field] === undefined);
      expect([event, missing]).toEqual([event, []]);
      expect(String(line?.time)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(['success', 'failure', 'denied']).toContain(line?.outcome);
    }
    for (const line of lines) {
      if (line.outcome === 'denied' && line.event !== 'anomaly.detected')
        expect([line, line.reason]).not.toContain(undefined);
    }
  });

  it('says of a call which manuals and which policy decided: those that were loaded', async () => {
    const loaded = of('config.loaded').map(({ manual_digest, policy_digest }) => ({ manual_digest, policy_digest }));
    for (const event of ['tool.call', 'tool.denied', 'input.rejected', 'limit.exceeded']) {
      const [line] = of(event);
      expect(loaded).toContainEqual({ manual_digest: line?.manual_digest, policy_digest: line?.policy_digest });
      expect(line?.manual_digest).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it('can’t be forged by what a sender writes, and holds no argument and no credential', async () => {
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(text).not.toContain('canary');
    const [denied] = of('tool.denied').filter(({ reason }) => reason === 'not_found');
    expect(String(denied?.tool)).toBe(`m.${hostile}`);
    const [failed] = of('auth.failure').filter(({ reason }) => reason === 'client_unknown');
    expect(failed?.caller ?? '').not.toContain('\n');
    // The forged line is a part of one, and none of its own.
    expect(of('auth.success').every(({ request_id }) => request_id !== undefined)).toBe(true);
  });
});

/** Has a server live through all of it. */
async function fill(): Promise<void> {
  const well = await startUpstream((_request, response) => response.writeHead(200).end('{}'));
  const gone = `http://127.0.0.1:${await findFreePort()}`;
  const file = join(folder, 'security.log');
  const sink = createEventSink({ config: securityLogSchema.parse({ file, flush_interval_ms: 1 }) });
  const server = await startServer({
    config: {
      manuals: [
        {
          name: 'm',
          source: 'm.yaml',
          allow_private_hosts: ['127.0.0.1'],
          max_retries: 0,
          tools: { trap: { honeypot: true } },
        },
      ],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [
        { id: 'alice', roles: ['user'], api_keys: { current: keyEntry('canary-alice') } },
        { id: 'mallory', roles: ['user'], api_keys: { current: keyEntry('canary-mallory') } },
        {
          id: 'batch',
          roles: ['user'],
          oauth_client: { client_id: 'batch', secret_sha256: sha256('canary-secret'), scopes: ['tools:read'] },
        },
      ],
      auth: { keys_file: 'keys.yaml' },
      limits: { per_tool: { 'm.few': { per_minute: 1 } } },
      anomalies: { actions: { honeypot: ['block'] } },
    },
    files: {
      'm.yaml': {
        utcp_version: '1.1.0',
        tools: [tool('one', well.origin), tool('few', well.origin), tool('trap', well.origin), tool('gone', gone)],
      },
      'keys.yaml': keysFile(''),
    },
    dependencies: { sink },
  });
  const call = (name: string, key = 'canary-alice', args: object = { q: 'canary-argument' }) =>
    fetch(`${server.url}/tools/m/${encodeURIComponent(name)}`, {
      method: 'POST',
      headers: bearer(key),
      body: JSON.stringify(args),
    });
  const token = (client: string, secret: string) =>
    fetch(`${server.url}/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: client, client_secret: secret }),
    });
  await call('one');
  await fetch(`${server.url}/utcp`, { headers: bearer('canary-alice') });
  await call('one', 'canary-wrong');
  await call(hostile);
  await call('one', 'canary-alice', { n: 'canary-text' });
  await call('few');
  await call('few');
  await call('gone');
  await call('trap', 'canary-mallory');
  expect((await token('batch', 'canary-secret')).status).toBe(200);
  await token(`nobody${hostile}`, 'canary-wrong');
  const configFile = join(server.directory, 'gatehouse.yaml');
  const load = () => loadConfig(configFile, { prepare: (config) => ({ config, environment: {} }) });
  const reloader = new Reloader(await load(), {
    load,
    apply: (next) => server.server.apply(next),
    sink,
    report: () => undefined,
  });
  writeFileSync(configFile, 'callrs: []\n');
  expect(await reloader.reload()).toBe(false);
  writeFileSync(join(server.directory, 'keys.yaml'), keysFile('gone'));
  const read = () => readFileSync(file, 'utf8');
  await eventually(read, (log) => log.includes('"key.rotated"'), 5000);
  await server.close();
  text = readFileSync(file, 'utf8');
  lines = text
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line));
}
