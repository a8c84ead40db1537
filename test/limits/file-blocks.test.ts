import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { BlockList } from '../../src/limits/blocks.js';
import { openFileBlockList } from '../../src/limits/file-blocks.js';
import { useScratch } from '../support/scratch.js';

const never = Number.POSITIVE_INFINITY;
const scratch = useScratch();
const isBlocked = (list: BlockList, id = 'mallory') => list.isBlocked(id, Date.now());

function open(folder = scratch('blocks')) {
  const problems: string[] = [];
  const list = openFileBlockList({ folder, report: (line) => problems.push(line), poll_interval_ms: 20 });
  onTestFinished(() => list.close());
  return { list, problems, folder };
}

describe('blocks in a folder', () => {
  it('hold in every process that looks, and after a restart, until lifted by any of them', async () => {
    const [a, b] = [open(), open()];
    const told: string[] = [];
    b.list.onChange(() => told.push([...b.list.list().keys()].join()));
    await a.list.block('mallory', never, 'sweep');
    await expect.poll(() => isBlocked(b.list)).toBe(true);
    await a.list.close();
    const c = open();
    expect([...c.list.list()]).toEqual([['mallory', { until_ms: never, reason: 'sweep' }]]);
    await c.list.unblock('mallory');
    await expect.poll(() => isBlocked(b.list)).toBe(false);
    expect(told).toEqual(['mallory', '']);
  });

  it('end with their time', async () => {
    const { list } = open();
    const until = Date.now() + 60_000;
    await list.block('mallory', until);
    const other = open().list;
    expect([other.isBlocked('mallory', until - 1), other.isBlocked('mallory', until)]).toEqual([true, false]);
  });

  it('lose nothing when two processes block at the same moment', async () => {
    const lists = [open().list, open().list, open().list];
    await Promise.all(Array.from({ length: 30 }, (_, turn) => lists[turn % 3]?.block(`caller ${turn}`, never)));
    for (const list of lists) await expect.poll(() => list.list().size).toBe(30);
  });

  it('are named by digests, whatever the caller is called, and read by their owner alone', async () => {
    const { list, folder } = open();
    await list.block('../../etc/passwd\n', never);
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.json$/)]);
    expect(isBlocked(open(folder).list, '../../etc/passwd\n')).toBe(true);
  });

  it('hold on when their file is damaged or the folder is gone, and say so once', async () => {
    const { list, problems, folder } = open();
    await list.block('mallory', never);
    const [name = ''] = readdirSync(folder);
    writeFileSync(join(folder, name), '{"caller":');
    await expect.poll(() => problems).toHaveLength(1);
    expect(isBlocked(list)).toBe(true);
    rmSync(folder, { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect([isBlocked(list), problems.length]).toEqual([true, 1]);
  });

  it('are not taken from a file that names somebody else', async () => {
    const { list, folder } = open();
    mkdirSync(folder);
    const entry = { caller: 'alice', until: null, reason: 'operator' };
    writeFileSync(join(folder, `${'0'.repeat(32)}.json`), JSON.stringify(entry));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isBlocked(list, 'alice')).toBe(false);
  });

  it('hold in memory while the folder can’t be made, say so, and are written when it can', async () => {
    const parent = scratch('parent');
    writeFileSync(parent, 'a file where a folder should be');
    const { list, problems } = open(join(parent, 'blocks'));
    await list.block('mallory', never);
    expect([isBlocked(list), problems]).toEqual([true, [expect.stringContaining('hold in memory alone')]]);
    rmSync(parent);
    mkdirSync(parent);
    chmodSync(parent, 0o700);
    await expect.poll(() => isBlocked(open(join(parent, 'blocks')).list)).toBe(true);
    const [name = ''] = readdirSync(join(parent, 'blocks'));
    expect(JSON.parse(readFileSync(join(parent, 'blocks', name), 'utf8'))).toMatchObject({ caller: 'mallory' });
  });
});
