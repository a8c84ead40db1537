import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { runCommand } from '../support/io.js';
import { hostileServer } from '../support/mcp.js';
import { childProcesses } from '../support/processes.js';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-approve-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Writes a configuration whose manual `shop` is what the hostile server lists, started with these flags. */
async function configure(flags: readonly string[], mcp: object = { lock_file: './mcp.lock.json' }): Promise<string> {
  const file = join(directory, 'gatehouse.yaml');
  const manuals = [{ name: 'shop', source: 'mcp', sandbox: 'none', mcp: { server_config: hostileServer(flags) } }];
  await writeFile(file, stringify({ manuals, mcp }));
  return file;
}

async function approve(file: string, ...args: readonly string[]) {
  return runCommand(['approve', '--config', file, ...args]);
}

function digestOf(out: string): string {
  return /--digest ([0-9a-f]+)/.exec(out)?.[1] ?? '';
}

describe('gatehouse approve', () => {
  it('shows every tool of a server that was never seen, and approves what it showed', async () => {
    const before = childProcesses();
    const file = await configure([]);
    const shown = await approve(file);
    expect([shown.code, shown.out]).toEqual([1, expect.stringMatching(/^new {6}shop "echo"$/m)]);
    const approved = await approve(file, '--digest', digestOf(shown.out));
    expect([approved.code, approved.out]).toEqual([0, expect.stringMatching(/Approved\.$/)]);
    expect(await approve(file)).toMatchObject({ code: 0, out: 'All tools are as they were approved.' });
    expect(childProcesses()).toEqual(before);
  });

  it('shows what changed, before and after, and approves the named tool alone', async () => {
    const first = await configure([]);
    await approve(first, '--digest', digestOf((await approve(first)).out));
    const file = await configure(['--changed', '--extra-tool']);
    const { out } = await approve(file, 'shop');
    expect(out).toContain('- description: "Says it back."');
    expect(out).toContain('+ description: "Changed between two starts."');
    expect(out).toMatch(/^new {6}shop "extra"$/m);
    const one = await approve(file, '--tool', 'echo');
    await approve(file, '--tool', 'echo', '--digest', digestOf(one.out));
    const rest = await approve(file, '--json');
    expect(JSON.parse(rest.out)).toMatchObject({
      approved: false,
      reviews: [{ changes: [{ kind: 'new', tool: 'extra' }] }],
    });
  });

  it('approves nothing when the server says something else than what was shown', async () => {
    const { out } = await approve(await configure([]));
    const file = await configure(['--changed']);
    const late = await approve(file, '--digest', digestOf(out));
    expect([late.code, late.out]).toEqual([1, expect.stringContaining('nothing is approved')]);
    await expect(readFile(join(directory, 'mcp.lock.json'))).rejects.toThrow('ENOENT');
  });

  it('makes hidden characters of a definition visible', async () => {
    const { out } = await approve(await configure(['--hidden']), '--tool', 'echo');
    expect(out).toContain(String.raw`+ description: "Says it back.\u{200b}\u{e0041}"`);
  });

  it('exits 2 without a lock file, and for a manual that is not there', async () => {
    expect(await approve(await configure([], {}))).toMatchObject({
      code: 2,
      err: expect.stringContaining('lock_file'),
    });
    const file = await configure([]);
    expect(await approve(file, 'nothing')).toMatchObject({
      code: 2,
      err: expect.stringContaining('no manual nothing'),
    });
  });
});
