import { setTimeout as sleep } from 'node:timers/promises';
import { callTimeout_ms, meteredLimit } from './config.js';
import type { Kill } from './ledger.js';
import type { ChaosRig } from './rig.js';

/** One thing that fails, under load. */
export interface Scenario {
  /** As docs/failure-modes.md names it. */
  readonly name: string;
  /** The rule that holds, as docs/failure-modes.md has it. */
  readonly rule: string;
  /** The most that a caller may get of ten times its limit meanwhile; the limit itself when it says nothing. */
  readonly most?: number;
  /** Whether connections may break; nothing else may go without an answer. */
  readonly cuts_off?: true;
  /** Tools that go on as if nothing were; all of them when it names none. */
  readonly spared?: readonly string[];
  /** Breaks it, waits by `hold`, mends it, and returns when all is well; tells of each `kill -9`. */
  readonly run: (rig: ChaosRig, hold: () => Promise<void>) => Promise<readonly Kill[]>;
}

/** In the order in which they are run and stand in docs/failure-modes.md. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'nothing',
    rule: 'for comparison',
    async run(_rig, hold) {
      await hold();
      return [];
    },
  },
  {
    name: 'replica killed',
    rule: 'events of one flush interval are lost at most; what it was working on is cut off, and stays counted',
    cuts_off: true,
    spared: [],
    run: killReplica,
  },
  {
    name: 'replica restarted',
    rule: 'every request is answered, and no event is lost, given `drain_delay_ms`',
    run: restartReplica,
  },
  {
    name: 'Redis stopped',
    rule: 'each replica holds the limits alone: a caller gets its limit at most once from each',
    most: 2 * meteredLimit,
    run: (rig, hold) => loseRedis(rig, hold, 'stop'),
  },
  {
    name: 'Redis hung',
    rule: 'as when it is stopped, after `state.timeout_ms`',
    most: 2 * meteredLimit,
    run: (rig, hold) => loseRedis(rig, hold, 'hang'),
  },
  {
    name: 'upstream hung',
    rule: 'its calls time out (504), then are refused at once (503); those to other upstreams go on',
    spared: ['manual', 'shop.elsewhere', 'shop.metered'],
    async run({ upstream }, hold) {
      upstream.hang();
      await Promise.all([hold(), sleep(callTimeout_ms + 1000)]);
      upstream.resume();
      // The breakers let one call through at a time until two went well.
      await sleep(2000);
      return [];
    },
  },
  {
    name: 'disk full',
    rule: 'service goes on; events wait in memory and are written once, in order, when there is room',
    run: fillDisk,
  },
  {
    name: 'configuration broken',
    rule: 'the old one goes on, whole; what a new one takes away is refused from its `config.loaded` on',
    run: breakConfiguration,
  },
];

async function killReplica({ pair }: ChaosRig, hold: () => Promise<void>): Promise<readonly Kill[]> {
  const [replica] = pair.replicas;
  const kill = { replica: replica.port, at_ms: Date.now() };
  await replica.kill();
  await hold();
  await replica.start();
  // nginx passes a replica over for a second after it took no connection.
  await sleep(1200);
  return [kill];
}

async function restartReplica({ pair }: ChaosRig, hold: () => Promise<void>): Promise<readonly Kill[]> {
  const [, replica] = pair.replicas;
  const code = await replica.stop();
  if (code !== 0) throw new Error(`The replica ended with ${code}: ${replica.complaints}`);
  await hold();
  await replica.start();
  await sleep(1200);
  return [];
}

async function loseRedis(rig: ChaosRig, hold: () => Promise<void>, how: 'stop' | 'hang'): Promise<readonly Kill[]> {
  const { redis } = rig.pair;
  const restored = rig.count('state.restored');
  const degraded = rig.count('state.degraded');
  if (how === 'stop') await redis.stop();
  else redis.hang();
  await rig.untilTold('state.degraded', degraded);
  await hold();
  if (how === 'stop') await redis.start();
  else redis.wake();
  await rig.untilTold('state.restored', restored);
  await rig.untilState('ok');
  return [];
}

async function fillDisk({ disk, pair }: ChaosRig, hold: () => Promise<void>): Promise<readonly Kill[]> {
  const [, replica] = pair.replicas;
  const { length } = replica.complaints;
  disk.fill();
  try {
    await hold();
  } finally {
    disk.free();
  }
  const complaint = replica.complaints.slice(length);
  if (!complaint.includes('The security log cannot be written (ENOSPC)')) throw new Error('The disk was never full.');
  // Written again within a quarter of a second of there being room.
  await sleep(1000);
  return [];
}

async function breakConfiguration(rig: ChaosRig, hold: () => Promise<void>): Promise<readonly Kill[]> {
  const { load } = rig;
  const half = (text: string) => text.slice(0, text.length / 2);
  for (const name of ['gatehouse.yaml', 'm.yaml', 'keys.yaml']) {
    const restore = rig.keep(name);
    const rejected = rig.count('config.rejected');
    rig.write(name, half);
    await rig.untilTold('config.rejected', rejected);
    if (name === 'gatehouse.yaml') await hold();
    restore();
  }
  const restore = rig.keep('gatehouse.yaml');
  await changePolicy(rig, 'hidden', () =>
    rig.write('gatehouse.yaml', (text) =>
      text.replace(/(shifting:\s+discover:\s+- )shop\.item(\s+call:\s+- )shop\.item/, '$1shop.write$2shop.write'),
    ),
  );
  await sleep(500);
  await changePolicy(rig, 'callable', restore);
  if (!load.shifting.has('callable')) throw new Error('unreachable');
  return [];
}

/** Changes what `shifting` may do with `shop.item`; from when both replicas have said so, nothing else is right. */
async function changePolicy(rig: ChaosRig, next: 'hidden' | 'callable', change: () => void): Promise<void> {
  const loaded = rig.count('config.loaded');
  rig.load.shifting = new Set(['callable', 'hidden']);
  change();
  await rig.untilTold('config.loaded', loaded);
  rig.load.shifting = new Set([next]);
}
