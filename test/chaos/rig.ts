import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createKey } from '../../src/auth/index.js';
import { type Pair, startPair } from '../e2e/replicas/pair.js';
import { HangingUpstream } from '../support/hanging-upstream.js';
import { eventually } from '../support/processes.js';
import { keyEntry } from '../support/server.js';
import { openSmallDisk, type SmallDisk } from '../support/small-disk.js';
import { listEventNames } from './ledger.js';
import { ChaosLoad } from './load.js';

/** Of one caller and the limited tool, in an hour. */
export const meteredLimit = 30;
export const flushInterval_ms = 100;
/** The callers that `meter` speaks for; each has its own limit. */
export const meteredCallers = Array.from({ length: 16 }, (_, index) => `metered-${index}`);

/** Everything that can be broken, and what asks and watches meanwhile. */
export interface ChaosRig {
  readonly pair: Pair;
  /** Where most tools are; it hangs when it is told to. */
  readonly upstream: HangingUpstream;
  /** Where `shop.elsewhere` and `shop.metered` are. */
  readonly elsewhere: HangingUpstream;
  /** Holds the second replica's log. */
  readonly disk: SmallDisk;
  readonly load: ChaosLoad;
  /** The public key of the logs' checkpoints, a PEM file. */
  readonly log_key: string;
  /** All that reached an upstream, by id. */
  seen(): ReadonlyMap<string, number>;
  /** Writes a file of both replicas; a function is given what stands there. */
  write(name: string, change: string | ((text: string) => string)): void;
  /** What both replicas' files of a name hold now, to put it back. */
  keep(name: string): () => void;
  /** How often each log has told of something that no request did. */
  count(event: string): readonly number[];
  /** Waits until each log has told of it once more than `before`; fails when that takes 15 seconds. */
  untilTold(event: string, before: readonly number[]): Promise<void>;
  /** Waits until both replicas call a part of theirs by this word. */
  untilState(state: string): Promise<void>;
  close(): Promise<void>;
}

export async function startChaosRig(build: string): Promise<ChaosRig> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-chaos-'));
  const disk = await openSmallDisk(join(folder, 'disk'), 64);
  const [upstream, elsewhere] = await Promise.all([HangingUpstream.start(), HangingUpstream.start()]);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const log_key = join(folder, 'log-key.pub.pem');
  writeFileSync(log_key, publicKey.export({ format: 'pem', type: 'spki' }));
  const pair = await startPair({
    build,
    files: { 'm.yaml': describeManual(), 'keys.yaml': fileKey(join(folder, 'keys.yaml')) },
    config: describeConfig,
    second_log: () => join(disk.inside, 'security.log'),
    wrap_second: (command) => disk.wrap(command),
    environment: {
      API_URL: upstream.origin,
      API_ELSEWHERE_URL: elsewhere.origin,
      UTCP_LOG_KEY: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    },
  });
  const logs = [pair.logs[0], join(disk.outside, 'security.log')];
  const load = new ChaosLoad(pair.url, pair.ca, 150);
  const paths = (name: string) => pair.folders.map((place) => join(place, name));
  const count = (event: string) => logs.map((log) => listEventNames(log).filter((name) => name === event).length);
  return {
    pair: { ...pair, logs: [logs[0] ?? '', logs[1] ?? ''] },
    upstream,
    elsewhere,
    disk,
    load,
    log_key,
    seen: () => new Map([...upstream.seen, ...elsewhere.seen]),
    write(name, change) {
      for (const path of paths(name)) {
        writeFileSync(path, typeof change === 'string' ? change : change(readFileSync(path, 'utf8')));
      }
    },
    keep(name) {
      const kept = paths(name).map((path) => [path, readFileSync(path, 'utf8')] as const);
      return () => {
        for (const [path, text] of kept) writeFileSync(path, text);
      };
    },
    count,
    async untilTold(event, before) {
      const isTold = (now: readonly number[]) => now.every((times, index) => times > (before[index] ?? 0));
      if (!isTold(await eventually(() => count(event), isTold, 15_000))) throw new Error(`No ${event} in both logs.`);
    },
    async untilState(state) {
      for (let tries = 0; tries < 300; tries++) {
        const states = await Promise.all(pair.replicas.map((replica) => replica.readiness()));
        if (states.every((one) => one.state === state)) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`The replicas' state does not become ${state}.`);
    },
    async close() {
      await load.close();
      await pair.close();
      await Promise.all([upstream.close(), elsewhere.close(), disk.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The text of a keys file in which the caller `filed` has a key of its own choice. */
function fileKey(path: string): string {
  createKey(path, 'filed');
  const text = readFileSync(path, 'utf8');
  rmSync(path);
  return text.replace(/sha256: \S+/, `sha256: ${keyEntry('filed-key').sha256}`);
}

function describeConfig() {
  const caller = (id: string, role = id) => ({ id, roles: [role], api_keys: { current: keyEntry(`${id}-key`) } });
  return {
    manuals: [
      {
        name: 'shop',
        source: './m.yaml',
        allow_private_hosts: ['127.0.0.1'],
        tools: {
          ...Object.fromEntries(hanging.map((name) => [name, { timeout_ms: 1000, log_arguments: ['id'] }])),
          ...Object.fromEntries(steady.map((name) => [name, { log_arguments: ['id'] }])),
        },
      },
    ],
    policy: {
      roles: {
        reader: { discover: ['shop.item', 'shop.write'], call: ['shop.item'] },
        writer: { discover: ['shop.item', 'shop.write'], call: ['shop.write'] },
        admin: { discover: ['*'], call: ['*'] },
        shifting: { discover: ['shop.item'], call: ['shop.item'] },
        filed: { discover: ['shop.item'], call: ['shop.item'] },
        metered: { discover: ['shop.metered'], call: ['shop.metered'] },
      },
    },
    callers: [
      ...['reader', 'writer', 'admin', 'shifting'].map((id) => caller(id)),
      { id: 'filed', roles: ['filed'] },
      ...meteredCallers.map((id) => caller(id, 'metered')),
    ],
    auth: { keys_file: './keys.yaml' },
    limits: {
      per_caller: { per_hour: 1_000_000 },
      auth_failures_per_address: { per_minute: 1_000_000 },
      per_tool: { 'shop.metered': { per_hour: meteredLimit } },
      auth_failures_per_caller: { per_minute: 1_000_000 },
      // So that a mended upstream is asked again within a round.
      circuit_breaker: { cool_down_ms: 500, window_ms: 2000 },
    },
    state: { redis_url_variable: 'UTCP_REDIS_URL', timeout_ms: 1500 },
    security_log: { signing_key_variable: 'UTCP_LOG_KEY', flush_interval_ms: flushInterval_ms },
    server: { drain_timeout_ms: 5000, drain_delay_ms: 500 },
  };
}

/** Tools of the upstream that hangs, and of the other one. */
const hanging = ['item', 'write', 'drop'];
const steady = ['elsewhere', 'metered'];

function describeManual() {
  const tool = (name: string, http_method: string, url: string) => ({
    name,
    description: `The tool ${name}.`,
    inputs: {
      type: 'object',
      properties: { id: { type: 'string', maxLength: 40 } },
      required: ['id'],
      additionalProperties: false,
    },
    tool_call_template: { call_template_type: 'http', http_method, url: `${url}/${name}/{id}` },
  });
  return stringify({
    utcp_version: '1.1.0',
    manual_version: '1.0.0',
    tools: [
      tool('item', 'GET', '${API_URL}'),
      tool('write', 'POST', '${API_URL}'),
      tool('drop', 'DELETE', '${API_URL}'),
      tool('elsewhere', 'GET', '${API_ELSEWHERE_URL}'),
      tool('metered', 'GET', '${API_ELSEWHERE_URL}'),
    ],
  });
}
