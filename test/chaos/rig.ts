import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Pair, startPair } from '../e2e/replicas/pair.js';
import { HangingUpstream } from '../support/hanging-upstream.js';
import { eventually } from '../support/processes.js';
import { openSmallDisk, type SmallDisk } from '../support/small-disk.js';
import { describeConfig, describeManual, fileKey } from './config.js';
import { listEventNames } from './ledger.js';
import { ChaosLoad } from './load.js';

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
