import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyAudit } from '../../src/events/audit.js';
import { Chain, parseRecord } from '../../src/events/chain.js';
import { securityLogSchema } from '../../src/events/config.js';
import { createEventSink } from '../../src/events/emit.js';
import { makeFolder } from '../support/scratch.js';

const keys = generateKeyPairSync('ed25519', {
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});

/** Writes a run of so many events to a chained log. */
async function writeLog(file: string, events: number, settings: Record<string, unknown> = {}) {
  const config = securityLogSchema.parse({ file, hash_chain: true, ...settings });
  const sink = createEventSink({ config, readVariable: () => keys.privateKey });
  for (let event = 0; event < events; event++) {
    sink.emit({ event: 'auth.failure', outcome: 'failure', caller: `caller-${event}`, reason: 'unknown_key' });
    if (event % 50 === 49) await sink.flush();
  }
  await sink.close();
}

const readLines = (file: string) => readFileSync(file, 'latin1').split('\n').slice(0, -1);
const writeLines = (file: string, lines: readonly string[]) => writeFileSync(file, `${lines.join('\n')}\n`, 'latin1');

async function findRules(file: string, options = {}) {
  return (await verifyAudit(file, options)).findings.map(({ rule, line }) => [rule, line]);
}

/** A log of `start` and `events` more records, changed by `change`. */
async function tamper(events: number, change: (lines: string[]) => string[]) {
  const file = join(makeFolder(), 'security.log');
  await writeLog(file, events);
  writeLines(file, change(readLines(file)));
  return findRules(file);
}

describe('a chained security log', () => {
  it('is found whole when nobody has touched it, over many runs', async () => {
    const file = join(makeFolder(), 'security.log');
    for (let run = 0; run < 3; run++) await writeLog(file, 10);
    const report = await verifyAudit(file);
    expect(report).toMatchObject({ findings: [], records: 33, head: { seq: 33 } });
    expect(
      readLines(file)
        .map((line) => JSON.parse(line).reason)
        .filter((reason) => reason !== 'unknown_key'),
    ).toEqual(['new_chain', 'resumed', 'resumed']);
  });

  it('keeps its chain across rotation', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 1000, { max_file_bytes: 65_536 });
    expect(readLines(`${file}.1`).length).toBeGreaterThan(100);
    expect(await verifyAudit(file)).toMatchObject({ findings: [], records: 1001 });
  });

  it('goes on in a new file when it was stopped between rotating and writing', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 5);
    renameSync(file, `${file}.1`);
    await writeLog(file, 5);
    expect(await verifyAudit(file)).toMatchObject({ findings: [], records: 12 });
  });

  it.each([1, 20, 150])('notes the torn last line of a crash, %i bytes short, and goes on', async (bytes) => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 5);
    truncateSync(file, readFileSync(file).length - bytes);
    expect((await verifyAudit(file)).findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    await writeLog(file, 5);
    const { findings, records } = await verifyAudit(file);
    expect(findings.map(({ rule, severity }) => [rule, severity])).toEqual(
      bytes === 1 ? [] : [['audit-torn-line', 'info']],
    );
    expect(records).toBe(bytes === 1 ? 12 : 11);
  });

  it('begins after what an unchained log has left', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 5, { hash_chain: false });
    await writeLog(file, 5);
    const { findings, records } = await verifyAudit(file);
    expect(findings).toMatchObject([{ rule: 'audit-unchained', severity: 'warning', line: 1 }]);
    expect(records).toBe(6);
  });
});

describe('the audit of a tampered log', () => {
  it('names an edited line', async () => {
    expect(await tamper(9, (lines) => lines.map((line) => line.replace('caller-4', 'mallory')))).toEqual([
      ['audit-edited', 6],
    ]);
  });

  it('names a line that was rewritten with a hash of its own', async () => {
    const forge = (line: string) => {
      const record = parseRecord(line);
      return new Chain({ seq: (record?.seq ?? 0) - 1, hash: record?.prev ?? '' })
        .seal(line.replace('caller-4', 'mallory').replace(/,"seq".*/, ''))
        .trimEnd();
    };
    expect(await tamper(9, (lines) => lines.map((line) => (line.includes('caller-4') ? forge(line) : line)))).toEqual([
      ['audit-edited', 7],
    ]);
  });

  it('names where lines were removed', async () => {
    expect(await tamper(9, (lines) => lines.filter((_, index) => index < 3 || index > 5))).toEqual([
      ['audit-removed', 4],
    ]);
  });

  it('names removed first lines', async () => {
    expect(await tamper(9, (lines) => lines.slice(2))).toEqual([['audit-starts-late', 1]]);
  });

  it('names an inserted line: foreign, copied or forged', async () => {
    const insert = (make: (lines: string[]) => string) => tamper(9, (lines) => lines.toSpliced(5, 0, make(lines)));
    expect(await insert(() => '{"event":"tool.call"}')).toEqual([['audit-not-a-record', 6]]);
    expect(await insert((lines) => lines[2] ?? '')).toEqual([['audit-inserted', 6]]);
    const forge = (lines: string[]) => {
      const before = parseRecord(lines[4] ?? '');
      return new Chain(before ?? { seq: 0, hash: '' }).seal('{"time":"x","event":"y"').trimEnd();
    };
    expect(await insert(forge)).toEqual([['audit-inserted', 7]]);
  });

  it('names a line that was put elsewhere', async () => {
    const move = (lines: string[]) => lines.toSpliced(3, 1).toSpliced(7, 0, lines[3] ?? '');
    expect(await tamper(9, move)).toEqual([['audit-reordered', 8]]);
  });

  it('names a line that only a carriage return was added to', async () => {
    expect(await tamper(4, (lines) => lines.with(2, `${lines[2]}\r`))).toEqual([['audit-not-a-record', 3]]);
  });

  it('names a chain that was begun anew', async () => {
    const file = join(makeFolder(), 'security.log');
    const other = join(makeFolder(), 'security.log');
    await writeLog(file, 4);
    await writeLog(other, 4);
    appendFileSync(file, readFileSync(other));
    expect(await findRules(file)).toEqual([['audit-restarted', 6]]);
  });

  it('finds any single change to any line, at that line or where the chain shows it next', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 20);
    const whole = readLines(file);
    const change = fc.oneof(
      fc.record({
        kind: fc.constant('edit' as const),
        line: fc.nat(20),
        at: fc.nat(1000),
        text: fc.string({ minLength: 1 }),
      }),
      fc.record({ kind: fc.constant('remove' as const), line: fc.nat(19), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant('insert' as const), line: fc.nat(20), text: fc.string() }),
      fc.record({ kind: fc.constant('repeat' as const), line: fc.nat(20), to: fc.nat(20) }),
      fc.record({ kind: fc.constant('move' as const), line: fc.nat(20), to: fc.nat(20) }),
    );
    await fc.assert(
      fc.asyncProperty(change, async (made) => {
        const lines = [...whole];
        const text = whole[made.line] ?? '';
        if (made.kind === 'edit') {
          const at = made.at % text.length;
          lines[made.line] = text.slice(0, at) + made.text + text.slice(at + made.text.length);
        } else if (made.kind === 'remove') lines.splice(made.line, Math.min(made.count, 20 - made.line));
        else if (made.kind === 'insert') lines.splice(made.line, 0, made.text);
        else if (made.kind === 'repeat') lines.splice(made.to, 0, text);
        else lines.splice(made.to, 0, ...lines.splice(made.line, 1));
        fc.pre(lines.join('\n') !== whole.join('\n'));
        writeLines(file, lines);
        const found = (await verifyAudit(file)).findings.map(({ line }) => line ?? 0);
        const first = lines.findIndex((line, index) => line !== whole[index]);
        const last = lines.findLastIndex((line, index) => line !== whole[index + whole.length - lines.length]);
        expect(found.length).toBeGreaterThan(0);
        expect(found.some((line) => line >= first + 1 && line <= Math.max(last, first) + 2)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('signed checkpoints', () => {
  const signing = { signing_key_variable: 'UTCP_LOG_KEY', checkpoint_every: 5 };

  it('vouch for all before them', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 17, signing);
    const report = await verifyAudit(file, { public_key: keys.publicKey });
    expect(report).toMatchObject({ findings: [], signed_seq: report.head.seq });
    expect(readLines(file).filter((line) => line.includes('log.checkpoint'))).toHaveLength(4);
  });

  it('show a log that was rewritten as a whole without the key', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 17, signing);
    const chain = new Chain({ seq: 0, hash: 'A'.repeat(43) });
    const forged = readLines(file).map((line) =>
      chain.seal(line.replace('caller-2"', 'mallory"').replace(/,"seq".*/, '')).trimEnd(),
    );
    writeLines(file, forged);
    expect(await findRules(file)).toEqual([]);
    const rules = (await findRules(file, { public_key: keys.publicKey })).map(([rule]) => rule);
    expect(new Set(rules)).toEqual(new Set(['audit-bad-signature', 'audit-unsigned']));
  });

  it('show a key that is not the one known', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 3, signing);
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect((await findRules(file, { public_key: other })).map(([rule]) => rule)).toContain('audit-foreign-key');
  });

  it('say how many records no checkpoint covers yet', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 17, signing);
    writeLines(file, readLines(file).slice(0, -2));
    expect((await verifyAudit(file, { public_key: keys.publicKey })).findings).toMatchObject([
      { rule: 'audit-unsigned-tail', severity: 'info' },
    ]);
  });

  it('refuse a key of another kind at the start', async () => {
    const file = join(makeFolder(), 'security.log');
    const config = securityLogSchema.parse({ file, hash_chain: true, ...signing });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    expect(() => createEventSink({ config, readVariable: () => rsa.toString() })).toThrow(/no Ed25519 private key/);
    expect(() => createEventSink({ config, readVariable: () => undefined })).toThrow(/UTCP_LOG_KEY has no value/);
  });
});

describe('an anchor kept elsewhere', () => {
  it('shows lines cut off the end, which the chain alone cannot', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 9);
    const { head } = await verifyAudit(file);
    await writeLog(file, 9);
    expect(await findRules(file, { anchor: head })).toEqual([]);
    writeLines(file, readLines(file).slice(0, 6));
    expect(await findRules(file)).toEqual([]);
    expect((await findRules(file, { anchor: head })).map(([rule]) => rule)).toEqual(['audit-anchor-missing']);
  });

  it('shows a log that was taken away', async () => {
    const file = join(makeFolder(), 'security.log');
    await writeLog(file, 2);
    rmSync(file);
    await expect(verifyAudit(file)).rejects.toThrow('ENOENT');
  });
});
