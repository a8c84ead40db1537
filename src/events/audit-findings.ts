import { hash } from 'node:crypto';
import { type Finding, isJsonObject, type Json, type Severity } from '../core/index.js';
import type { LogLine } from './log-lines.js';

/** A log that is damaged throughout would otherwise fill memory with what is to be said of it. */
const maxFindings = 1000;
const mends: Readonly<Record<string, string>> = {
  'audit-torn-line': 'Nothing needs doing: what was lost is this one event at most.',
  'audit-starts-late': 'Where rotation has not deleted the files before, look for them.',
  'audit-unchained': 'What stands outside the chain is unprotected: put it aside when hash_chain is switched on.',
  'audit-unsigned-tail': 'Nothing needs doing: the next checkpoint will cover them.',
};
const usualMend = 'Compare with a copy kept elsewhere, and keep this file as it is as evidence.';

/** What an audit has to say, in the order of the lines that it is about. */
export class AuditFindings {
  readonly #findings: { readonly order: number; readonly finding: Finding }[] = [];
  readonly #files: string[] = [];

  add(rule: string, line: LogLine | undefined, message: string, severity: Severity = 'error'): void {
    if (this.#findings.length === maxFindings) return;
    const where = line ? { file: line.file, line: line.number } : {};
    const finding: Finding = { rule, severity, ...where, pointer: '', message, mend: mends[rule] ?? usualMend };
    this.#findings.push({ order: this.#orderOf(line), finding });
  }

  /** Whether `next` is the opening record that owns up to `line` as what a crash left unfinished; notes it then. */
  addTorn(line: LogLine, next: LogLine): boolean {
    const record = readRecord(next.text);
    const digest = hash('sha256', Buffer.from(line.text, 'latin1'), 'base64url');
    if (record.event !== 'log.started' || record.torn_sha256 !== digest) return false;
    this.add('audit-torn-line', line, 'A crash left this line unfinished; the next start noted it.', 'info');
    return true;
  }

  list(): readonly Finding[] {
    return this.#findings.toSorted((a, b) => a.order - b.order).map(({ finding }) => finding);
  }

  #orderOf(line: LogLine | undefined): number {
    if (!line) return Number.POSITIVE_INFINITY;
    if (this.#files.at(-1) !== line.file && !this.#files.includes(line.file)) this.#files.push(line.file);
    return this.#files.indexOf(line.file) * 1e10 + line.number;
  }
}

/** The members of a record; none when the line is no JSON object. */
export function readRecord(text: string): { readonly [name: string]: Json } {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}
