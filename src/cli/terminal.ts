import type { Finding } from '../core/index.js';
import type { Io } from './command.js';

const codes = { red: 31, yellow: 33, green: 32, dim: 2, bold: 1 } as const;

export function paint(io: Io, colour: keyof typeof codes, text: string): string {
  return io.colours ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;
}

/** A text in which every character that a terminal would not show, or would obey, can be seen. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** Findings for a person: where, what is wrong, and on the next line how to mend it. */
export function renderFindings(io: Io, findings: readonly Finding[]): string {
  return findings
    .map((finding) => {
      const place = [finding.file, finding.line].filter((part) => part !== undefined).join(':');
      const label = paint(io, finding.severity === 'error' ? 'red' : 'yellow', finding.severity);
      const where = [place, printable(finding.pointer)].filter(Boolean).join(' ');
      const mend = finding.mend ? `\n    ${printable(finding.mend)}` : '';
      return `${where ? `${where}: ` : ''}${label}: ${printable(finding.message)} ${paint(io, 'dim', `[${finding.rule}]`)}${mend}`;
    })
    .join('\n');
}

/** Findings for a machine: the rows of `lint --json` and `check --json`. */
export function toFindingRows(findings: readonly Finding[]): readonly Record<string, unknown>[] {
  return findings.map(({ rule, severity, file, pointer, line, message, mend }) => ({
    rule,
    severity,
    file,
    pointer,
    line,
    message,
    mend,
  }));
}

export function renderFindingsJson(findings: readonly Finding[]): string {
  return JSON.stringify({ findings: toFindingRows(findings) });
}
