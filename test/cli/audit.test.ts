import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { securityLogSchema } from '../../src/events/config.js';
import { createEventSink } from '../../src/events/emit.js';
import { runCommand } from '../support/io.js';
import { useScratch } from '../support/scratch.js';

const scratch = useScratch();

/** A chained, signed log of so many calls, and its public key in a file. */
async function writeLog(calls: number) {
  const file = scratch('security.log');
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(scratch('key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(scratch('key.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  const config = securityLogSchema.parse({ file, hash_chain: true, signing_key_file: scratch('key.pem') });
  const sink = createEventSink({ config });
  for (let call = 0; call < calls; call++) sink.emit({ event: 'tool.call', outcome: 'success', status: 200 });
  await sink.close();
  return file;
}

const verify = (file: string, ...args: readonly string[]) => runCommand(['audit', 'verify', file, ...args]);
const edit = (file: string, change: (lines: string[]) => string[]) =>
  writeFileSync(file, `${change(readFileSync(file, 'utf8').trimEnd().split('\n')).join('\n')}\n`);

describe('gatehouse audit verify', () => {
  it('exits 0 for a log as it was written, and prints its head', async () => {
    const { code, out } = await verify(await writeLog(5), '--public-key', scratch('key.pub.pem'));
    // log.started, five calls and the checkpoint at the end
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^7 records, 0 findings; head 7:[\w-]{43}, signed up to 7$/),
    ]);
  });

  it.each([
    ['edited', 'audit-edited', 3, (lines: string[]) => lines.with(2, (lines[2] ?? '').replace('success', 'failure'))],
    ['removed', 'audit-removed', 3, (lines: string[]) => lines.toSpliced(2, 1)],
    ['removed at the start', 'audit-starts-late', 1, (lines: string[]) => lines.slice(1)],
    ['inserted', 'audit-inserted', 6, (lines: string[]) => lines.toSpliced(5, 0, lines[2] ?? '')],
    [
      'reordered',
      'audit-reordered',
      5,
      (lines: string[]) => [...lines.toSpliced(2, 1).toSpliced(4, 0, lines[2] ?? '')],
    ],
  ])('exits 1 and names the line when one was %s', async (_what, rule, line, change) => {
    const file = await writeLog(5);
    edit(file, change);
    const { code, out } = await verify(file);
    expect(code).toBe(1);
    expect(out).toContain(`${file}:${line}: error: `);
    expect(out).toContain(`[${rule}]`);
    const json = await verify(file, '--json');
    expect(JSON.parse(json.out).findings).toContainEqual(expect.objectContaining({ rule, line, severity: 'error' }));
  });

  it('sees that lines were cut off the end by the head of an earlier run', async () => {
    const file = await writeLog(5);
    const [, head = ''] = /head (\S+),/.exec((await verify(file)).out) ?? [];
    expect((await verify(file, '--anchor', head)).code).toBe(0);
    edit(file, (lines) => lines.slice(0, 4));
    expect((await verify(file)).code).toBe(0);
    const { code, out } = await verify(file, '--anchor', head);
    expect([code, out]).toEqual([1, expect.stringContaining('[audit-anchor-missing]')]);
  });

  it('exits 2 for a file that is not there, a key that is none and an anchor that is none', async () => {
    expect((await verify(scratch('none.log'))).code).toBe(2);
    const file = await writeLog(1);
    expect((await verify(file, '--public-key', file)).code).toBe(2);
    expect(await verify(file, '--anchor', '7')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--anchor takes SEQ:HASH'),
    });
  });
});
