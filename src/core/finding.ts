/** How much a finding weighs: an error makes the command that reports it fail. */
export type Severity = 'error' | 'warning' | 'info';

/**
 * One thing that a loader, the linter or the checklist has to say about a document: what is wrong, where, and how to
 * mend it. The shape is what `lint --json` and `check --json` print.
 */
export interface Finding {
  /** Rule id, kebab case; each has a docs page. */
  readonly rule: string;
  readonly severity: Severity;
  /** The document that the pointer is of, as the user named it. */
  readonly file?: string;
  /** JSON pointer (RFC 6901) into the document; empty for the whole of it. */
  readonly pointer: string;
  /** Line in the file, counted from 1; absent when the document had no lines (a generated one). */
  readonly line?: number;
  readonly message: string;
  /** What would be right, in one sentence. */
  readonly mend: string;
}

/** Where a finding stands and what it says, as one line for a terminal. */
export function describeFinding(finding: Finding): string {
  const place = [finding.file, finding.line, finding.pointer || undefined].filter((part) => part !== undefined);
  return `${place.join(':')}: ${finding.message}${finding.mend ? ` ${finding.mend}` : ''}`;
}

/** A document or configuration that can't be used; carries every finding, so that all are mended in one go. */
export class LoadError extends Error {
  override readonly name = 'LoadError';

  constructor(readonly findings: readonly Finding[]) {
    super(findings.map(describeFinding).join('\n'));
  }

  /** A load error of one finding with severity `error`. */
  static of(finding: Omit<Finding, 'severity'>): LoadError {
    return new LoadError([{ severity: 'error', ...finding }]);
  }
}
