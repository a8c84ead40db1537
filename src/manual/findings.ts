import { type Finding, LoadError, type Severity } from '../core/index.js';
import type { SourceDocument } from './document.js';

/** Collects what a reader has to say about one document, so that all of it is told at once. */
export class Findings {
  readonly #document: Pick<SourceDocument, 'file' | 'lineOf'>;
  readonly #list: Finding[] = [];

  constructor(document: Pick<SourceDocument, 'file' | 'lineOf'>) {
    this.#document = document;
  }

  get list(): readonly Finding[] {
    return this.#list;
  }

  /** Adds a finding; its line is looked up when it is first read, since most notices never are. */
  add(severity: Severity, rule: string, pointer: string, message: string, mend: string): void {
    const document = this.#document;
    let line: number | undefined;
    this.#list.push({
      rule,
      severity,
      file: document.file,
      pointer,
      get line() {
        line ??= document.lineOf(pointer);
        return line;
      },
      message,
      mend,
    });
  }

  /** Throws LoadError of every finding when one of them is an error. */
  refuseErrors(): void {
    if (this.#list.some((finding) => finding.severity === 'error')) throw new LoadError(this.#list);
  }
}
