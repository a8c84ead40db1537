import { readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { buildSources } from '../../support/build.js';
import { HangingUpstream } from '../../support/hanging-upstream.js';
import { eventually } from '../../support/processes.js';
import { Replica } from '../../support/replica.js';
import { useSharedScratch } from '../../support/scratch.js';
import { bearer, keyEntry } from '../../support/server.js';

const reloads = 50;
const requests = 10_000;
const scratch = useSharedScratch();

/** What each version of the configuration says in four places, none of which may be seen beside another's. */
function writeVersion(version: number, isBroken: boolean): void {
  const tool = (name: string, tool_call_template: object) => ({
    name,
    description: `Version ${version}.`,
    inputs: { type: 'object', properties: { id: { type: 'string' } }, additionalProperties: false },
    tool_call_template,
  });
  const tools = [
    tool('say', { call_template_type: 'text', content: `version ${version}` }),
    tool(`only_${version}`, { call_template_type: 'text', content: 'here' }),
    // The upstream changes with each version, so that the one before goes out of use while it answers.
    tool('slow', { call_template_type: 'http', http_method: 'GET', url: `\${API_${version % 2}_URL}/slow/{id}` }),
  ];
  writeFileSync(scratch('m.yaml'), stringify({ utcp_version: '1.1.0', manual_version: `1.0.${version}`, tools }));
  const config = stringify({
    server: { port: 0, admin: { port: 0 } },
    manuals: [{ name: 'm', source: './m.yaml', allow_private_hosts: ['127.0.0.1'], max_retries: 0 }],
    policy: { roles: { user: { discover: ['m.say', 'm.slow', `m.only_${version}`], call: ['m.say', 'm.slow'] } } },
    callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('alice-key') } }],
    limits: { per_caller: {} },
    security_log: { file: scratch('security.log') },
  });
  writeFileSync(scratch('gatehouse.yaml'), isBroken ? config.replace('callers:', 'calers:') : config);
}

interface LogLine {
  readonly event: string;
  readonly tool?: string;
  readonly status?: number;
  readonly manual_digest?: string;
  readonly policy_digest?: string;
}

/** The lines that have a text in them. */
function readLog(part: string): readonly LogLine[] {
  const lines = readFileSync(scratch('security.log'), 'utf8').split('\n').slice(0, -1);
  return lines.filter((line) => line.includes(part)).map((line) => JSON.parse(line));
}

/** How many configurations were put in force so far that differ in their policy, or how many were refused. */
function countReloads(event: 'config.loaded' | 'config.rejected'): number {
  const told = readLog(`"${event}"`);
  return event === 'config.rejected' ? told.length : new Set(told.map(({ policy_digest }) => policy_digest)).size;
}

describe('a server that is reloaded under load', () => {
  let upstreams: readonly HangingUpstream[];
  let replica: Replica;
  const agent = new Agent({ connections: 16 });
  /** How often each kind of request was answered with each status. */
  const statuses = new Map<string, number>();
  /** Versions that manuals and texts named, each from one answer. */
  const mixed: string[] = [];

  beforeAll(async () => {
    upstreams = await Promise.all([HangingUpstream.start(), HangingUpstream.start()]);
    const environment = { API_0_URL: upstreams[0]?.origin ?? '', API_1_URL: upstreams[1]?.origin ?? '' };
    writeVersion(0, false);
    replica = new Replica({ build: buildSources(), config: scratch('gatehouse.yaml'), environment });
    await replica.start();
  });
  afterAll(async () => {
    await agent.close();
    await replica?.stop();
    await Promise.all((upstreams ?? []).map((upstream) => upstream.close()));
  });

  async function ask(kind: string, path: string): Promise<string> {
    const { statusCode, body } = await request(`${replica.url}${path}`, {
      dispatcher: agent,
      headers: bearer('alice-key'),
    });
    const text = await body.text();
    const name = `${kind} ${statusCode}`;
    statuses.set(name, (statuses.get(name) ?? 0) + 1);
    return text;
  }

  /** One request of three kinds; most ask for what tells versions apart. */
  async function askByTurns(turn: number): Promise<void> {
    if (turn % 50 === 7) await ask('slow', `/tools/m/slow?id=r${turn}`);
    else if (turn % 2 === 0) await ask('say', '/tools/m/say');
    else {
      const versions = new Set((await ask('manual', '/utcp')).match(/(?<=only_|Version )\d+/g));
      if (versions.size !== 1) mixed.push([...versions].join(' and '));
    }
  }

  /** Reloads so often, each once the one before is in force or refused; every fifth configuration is broken. */
  async function reloadMany(): Promise<void> {
    for (let version = 1; version <= reloads; version++) {
      const event = version % 5 === 0 ? 'config.rejected' : 'config.loaded';
      const before = countReloads(event);
      writeVersion(version, event === 'config.rejected');
      replica.child.kill('SIGHUP');
      const after = await eventually(
        () => countReloads(event),
        (now) => now > before,
        10_000,
      );
      if (after === before) throw new Error(`Version ${version} was neither loaded nor refused.`);
    }
  }

  it(`answers ${requests.toLocaleString('en')} requests across ${reloads} reloads, and fails none`, {
    timeout: 120_000,
  }, async () => {
    let isReloading = true;
    const reloading = reloadMany().finally(() => {
      isReloading = false;
    });
    let turn = 0;
    const work = async () => {
      while (turn < requests || isReloading) await askByTurns(turn++);
    };
    await Promise.all([reloading, ...Array.from({ length: 16 }, work)]);
    expect([...statuses.keys()].sort()).toEqual(['manual 200', 'say 200', 'slow 200']);
    expect([...statuses.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(requests);
  });

  it('shows no request half of each: manuals are of one version, and calls were decided by manuals and policy of one', async () => {
    expect(mixed).toEqual([]);
    await replica.stop();
    const pair = ({ manual_digest, policy_digest }: LogLine) => `${manual_digest} ${policy_digest}`;
    const known = new Set(readLog('"config.loaded"').map(pair));
    expect(known.size).toBeGreaterThanOrEqual(reloads * 0.8);
    const calls = readLog('"tool.call"');
    expect(calls.filter((call) => !known.has(pair(call)))).toEqual([]);
    expect(calls.length).toBe((statuses.get('say 200') ?? 0) + (statuses.get('slow 200') ?? 0));
  });
});
