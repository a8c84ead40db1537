import type { KeyObject } from 'node:crypto';
import { type AuditFindings, readRecord } from './audit-findings.js';
import type { ChainHead, ChainRecord } from './chain.js';
import { nameKey, verifyCheckpoint } from './checkpoint.js';
import type { LogLine } from './log-lines.js';

const checkpoint = /^\{"time":"[^"]*","event":"log\.checkpoint"/;

/** Checks the signatures of the checkpoints that an audit comes by. */
export class CheckpointAudit {
  /** The last record that a good signature vouches for. */
  signed_seq = 0;
  readonly #key: KeyObject;
  readonly #name: string;
  readonly #findings: AuditFindings;

  constructor(key: KeyObject, findings: AuditFindings) {
    this.#key = key;
    this.#name = nameKey(key);
    this.#findings = findings;
  }

  read(record: ChainRecord, line: LogLine): void {
    if (!checkpoint.test(line.text)) return;
    const { key, signature } = readRecord(line.text);
    const before = { seq: record.seq - 1, hash: record.prev };
    if (key !== this.#name) {
      this.#findings.add('audit-foreign-key', line, `This checkpoint is signed with another key (${String(key)}).`);
    } else if (typeof signature !== 'string' || !verifyCheckpoint(this.#key, before, signature)) {
      this.#findings.add('audit-bad-signature', line, 'The signature of this checkpoint is not good.');
    } else {
      this.signed_seq = record.seq;
    }
  }

  finish(head: ChainHead, line: LogLine | undefined): void {
    if (this.signed_seq === 0) {
      this.#findings.add('audit-unsigned', line, 'No checkpoint with a good signature vouches for this log.');
    } else if (head.seq > this.signed_seq) {
      const message = `${head.seq - this.signed_seq} records stand after the last good checkpoint.`;
      this.#findings.add('audit-unsigned-tail', line, message, 'info');
    }
  }
}
