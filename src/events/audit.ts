import { createPublicKey } from 'node:crypto';
import type { Finding } from '../core/index.js';
import { AuditFindings } from './audit-findings.js';
import { type ChainHead, type ChainRecord, chainStart, parseRecord } from './chain.js';
import { CheckpointAudit } from './checkpoint-audit.js';
import { type LogLine, readLogLines } from './log-lines.js';

export interface AuditOptions {
  /** The Ed25519 public key (PEM) of the checkpoints; without it they are not checked. */
  readonly public_key?: string;
  /** A record that is known from elsewhere to belong to the log: the head of an earlier report, or a copied checkpoint. */
  readonly anchor?: ChainHead;
}

export interface AuditReport {
  /** Records that stand in their place in the chain. */
  readonly records: number;
  /** The last of them: keep it elsewhere, and a later audit shows whether the log still holds it. */
  readonly head: ChainHead;
  /** The last record that a checkpoint with a good signature vouches for; 0 when none does. */
  readonly signed_seq: number;
  readonly findings: readonly Finding[];
}

/**
 * Checks the hash chain of a security log, rotated files (`file.1`, …) included, oldest first: every line that was edited,
 * removed, inserted or put elsewhere is named. What it can't see without a public key or an anchor: a log that was
 * rewritten as a whole, and lines cut off its end (docs/audit.md).
 *
 * @throws Error when a file can't be read or `public_key` is none
 */
export async function verifyAudit(path: string, options: AuditOptions = {}): Promise<AuditReport> {
  const audit = new Audit(path, options);
  for await (const line of readLogLines(path)) audit.read(line);
  return audit.finish();
}

/** Records that the order of lines skipped: found later they were moved, else they are gone. */
interface Gap {
  readonly from: number;
  readonly to: number;
  readonly at: LogLine;
}

class Audit {
  readonly #findings = new AuditFindings();
  readonly #checkpoints: CheckpointAudit | undefined;
  readonly #anchor: ChainHead | undefined;
  readonly #gaps: Gap[] = [];
  #head: ChainHead = chainStart;
  #headLine: LogLine | undefined;
  /** A second record with the head's number that follows the same record: the next record says which is the real one. */
  #rival: string | undefined;
  #headPrev = '';
  /** Edited lines since the head whose place can't be told. */
  #misplaced = 0;
  /** Lines since the head that are no records of a chain. */
  #strange: { readonly first: LogLine; last: LogLine; count: number } | undefined;
  #records = 0;
  #anchored = false;

  constructor(
    readonly path: string,
    options: AuditOptions,
  ) {
    this.#anchor = options.anchor;
    if (options.public_key !== undefined) {
      this.#checkpoints = new CheckpointAudit(createPublicKey(options.public_key), this.#findings);
    }
  }

  read(line: LogLine): void {
    const record = parseRecord(line.text);
    if (!record) this.#noteStrange(line);
    else if (record.intact) this.#place(record, line);
    else this.#placeEdited(record, line);
  }

  /** An edited record still holds its place when its number or what it follows says so. */
  #placeEdited(record: ChainRecord, line: LogLine): void {
    this.#findings.add('audit-edited', line, 'This line was edited: its hash is not its own.');
    const next = this.#head.seq + 1;
    if (record.seq === next || record.prev === this.#head.hash) this.#place({ ...record, seq: next }, line);
    else this.#misplaced++;
  }

  #place(record: ChainRecord, line: LogLine): void {
    const explained = this.#settleStrange(line) + this.#misplaced;
    this.#misplaced = 0;
    if (this.#headLine === undefined) this.#begin(record, line);
    else if (record.seq === this.#head.seq + 1) this.#follow(record, line);
    else if (record.seq === 1 && record.prev === chainStart.hash) this.#restart(record, line);
    else if (record.seq > this.#head.seq) this.#skip(record, line, explained);
    else this.#displace(record, line);
  }

  finish(): AuditReport {
    this.#settleEnd();
    for (const { from, to, at } of this.#gaps) {
      const gone = from === to ? `Record ${from} is` : `Records ${from} to ${to} are`;
      this.#findings.add('audit-removed', at, `${gone} missing before this line.`);
    }
    if (this.#anchor && !this.#anchored) {
      const known = `record ${this.#anchor.seq} with the hash ${this.#anchor.hash}`;
      this.#findings.add('audit-anchor-missing', this.#headLine, `The log no longer holds ${known}.`);
    }
    this.#checkpoints?.finish(this.#head, this.#headLine);
    return {
      records: this.#records,
      head: this.#head,
      signed_seq: this.#checkpoints?.signed_seq ?? 0,
      findings: this.#findings.list(),
    };
  }

  #noteStrange(line: LogLine): void {
    this.#strange ??= { first: line, last: line, count: 0 };
    this.#strange.last = line;
    this.#strange.count++;
  }

  #begin(record: ChainRecord, line: LogLine): void {
    if (record.seq > 1) {
      const message = `The log begins with record ${record.seq}: what came before is in no file here.`;
      // Rotation deletes the oldest of its files only: where none stands before this one, someone took the lines away.
      this.#findings.add('audit-starts-late', line, message, line.file === this.path ? 'error' : 'warning');
    } else if (record.prev !== chainStart.hash) {
      this.#findings.add('audit-edited', line, 'The first record of the chain names a record before it.');
    }
    this.#advance(record, line);
  }

  #follow(record: ChainRecord, line: LogLine): void {
    if (record.prev !== this.#head.hash && record.prev !== this.#rival) {
      const before = this.#headLine ? place(this.#headLine) : 'the line before';
      this.#findings.add('audit-edited', line, `This line does not follow ${before}: one of the two was rewritten.`);
    }
    this.#advance(record, line);
  }

  #restart(record: ChainRecord, line: LogLine): void {
    const message = `A new chain begins here: nothing ties it to record ${this.#head.seq} before it.`;
    this.#findings.add('audit-restarted', line, message);
    this.#advance(record, line);
  }

  #skip(record: ChainRecord, line: LogLine, explained: number): void {
    const missing = record.seq - this.#head.seq - 1;
    if (missing > explained) this.#gaps.push({ from: this.#head.seq + 1, to: record.seq - 1, at: line });
    this.#advance(record, line);
  }

  /** A record behind the head: one that a gap waits for was moved; one that stands already was put in. */
  #displace(record: ChainRecord, line: LogLine): void {
    const gap = this.#gaps.find(({ from, to }) => from <= record.seq && record.seq <= to);
    if (gap) {
      this.#findings.add('audit-reordered', line, `Record ${record.seq} was moved here from before ${place(gap.at)}.`);
      this.#gaps.splice(this.#gaps.indexOf(gap), 1, ...splitGap(gap, record.seq));
      return;
    }
    if (record.seq === this.#head.seq && record.prev === this.#headPrev) this.#rival = record.hash;
    const message = `Record ${record.seq} stands before this line already: one of the two was inserted.`;
    this.#findings.add('audit-inserted', line, message);
  }

  #advance(record: ChainRecord, line: LogLine): void {
    this.#head = { seq: record.seq, hash: record.hash };
    this.#headPrev = record.prev;
    this.#headLine = line;
    this.#rival = undefined;
    this.#records++;
    this.#checkpoints?.read(record, line);
    if (this.#anchor?.seq === record.seq && this.#anchor.hash === record.hash) this.#anchored = true;
  }

  /** Says what the lines were that are no records; gives how many of them may be records edited beyond recognition. */
  #settleStrange(next: LogLine): number {
    const strange = this.#strange;
    if (!strange) return 0;
    this.#strange = undefined;
    if (this.#headLine === undefined) {
      const message = `The hash chain begins only after line ${strange.last.number}.`;
      this.#findings.add('audit-unchained', strange.first, message, 'warning');
      return 0;
    }
    if (strange.count === 1 && this.#findings.addTorn(strange.last, next)) return 0;
    const lines = strange.count === 1 ? 'This line is' : `This line and the following up to ${place(strange.last)} are`;
    this.#findings.add('audit-not-a-record', strange.first, `${lines} no record of the chain: inserted, or edited.`);
    return strange.count;
  }

  #settleEnd(): void {
    const strange = this.#strange;
    if (this.#headLine === undefined) {
      this.#findings.add('audit-unchained', strange?.first, 'The log holds no record of a hash chain.');
    } else if (strange?.count === 1 && !strange.last.ended) {
      const message = 'The last line is unfinished: the process was stopped at it, or is writing it now.';
      this.#findings.add('audit-torn-line', strange.last, message, 'warning');
    } else if (strange) {
      this.#settleStrange(strange.last);
    }
  }
}

function place(line: LogLine): string {
  return `line ${line.number} of ${line.file}`;
}

/** What is left of a gap once one of its records is found. */
function splitGap(gap: Gap, seq: number): Gap[] {
  return [
    { ...gap, to: seq - 1 },
    { ...gap, from: seq + 1 },
  ].filter(({ from, to }) => from <= to);
}
