import { readFile } from 'node:fs/promises';
import { LoadError } from '../core/index.js';
import { type ChainHead, verifyAudit } from '../events/index.js';
import { type Command, commonOptions, exitCodes, flagOf, stringOf, UsageError } from './command.js';
import { renderFindings, toFindingRows } from './terminal.js';

const { json, help } = commonOptions;

/** `gatehouse audit verify FILE`: whether the chained security log is as it was written. */
export const auditCommand: Command = {
  name: 'audit',
  summary: 'verify the hash chain of a security log',
  usage: 'verify FILE',
  options: {
    'public-key': { type: 'string', value: 'FILE', help: 'Ed25519 public key (PEM) that checkpoints are signed with' },
    anchor: {
      type: 'string',
      value: 'SEQ:HASH',
      help: 'a record that must be in the log: the head that an earlier run printed',
    },
    json,
    help,
  },
  notes: ['Exit 1 when a line was edited, removed, inserted or reordered; rotated files are read as well.'],
  async run(input, io) {
    const [action, file, ...more] = input.positionals;
    if (action !== 'verify' || file === undefined || more.length > 0) throw new UsageError('say: audit verify FILE');
    const keyFile = stringOf(input, 'public-key');
    const anchor = parseAnchor(stringOf(input, 'anchor'));
    const report = await readable(file, async () => {
      const public_key = keyFile === undefined ? undefined : await readFile(keyFile, 'utf8');
      return verifyAudit(file, { ...(public_key !== undefined && { public_key }), ...(anchor && { anchor }) });
    });
    const { findings, records, head, signed_seq } = report;
    if (flagOf(input, 'json')) io.out(JSON.stringify({ findings: toFindingRows(findings), records, head, signed_seq }));
    else {
      if (findings.length > 0) io.out(renderFindings(io, findings));
      io.out(
        `${records} records, ${findings.length} findings; head ${head.seq}:${head.hash}, signed up to ${signed_seq}`,
      );
    }
    return findings.some(({ severity }) => severity === 'error') ? exitCodes.findings : exitCodes.good;
  },
};

function parseAnchor(text: string | undefined): ChainHead | undefined {
  if (text === undefined) return undefined;
  const [, seq, hash] = /^([1-9]\d{0,15}):([\w-]{43})$/.exec(text) ?? [];
  if (!seq || !hash) throw new UsageError('--anchor takes SEQ:HASH, as an earlier run printed its head');
  return { seq: Number(seq), hash };
}

async function readable<Value>(file: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (cause) {
    throw LoadError.of({
      rule: 'audit-unreadable',
      file,
      pointer: '',
      message: `The log or the key cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
      mend: 'Name a security log, and a public key in PEM.',
    });
  }
}
