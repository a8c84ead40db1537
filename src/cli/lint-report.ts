import type { Severity } from '../core/index.js';
import type { LintFinding } from '../manual/index.js';
import type { Io } from './command.js';
import type { LintedFile } from './lint-files.js';
import { paint, renderFindings, toFindingRows } from './terminal.js';

/** What `lint --json` prints: the rows of the contract, with why, page and tool besides. */
export function toLintRows(files: readonly LintedFile[]) {
  const rows = (findings: readonly LintFinding[]) =>
    toFindingRows(findings).map((row, index) => ({
      ...row,
      why: findings[index]?.why,
      docs: findings[index]?.docs,
      tool: findings[index]?.tool,
      fixable: findings[index]?.fix !== undefined,
    }));
  const suppressed = files.flatMap(({ report }) => report.suppressed);
  return {
    findings: rows(files.flatMap(({ report }) => report.findings)),
    fixed: rows(files.flatMap(({ fixed }) => fixed)),
    suppressed: suppressed.map(({ finding, reason }) => ({ ...rows([finding])[0], reason })),
  };
}

/** Of each rule so many are printed, since one habit of an author's can make thousands. */
const shownOfRule = 10;

/** The findings of each file for a person, and a line that sums it up. */
export function printLint(files: readonly LintedFile[], options: { readonly io: Io; readonly all: boolean }): string {
  const parts = files.flatMap((file) => printFile(file, options));
  const isClean = files.every(({ report }) => report.findings.length === 0);
  return [...parts, ...(isClean ? [] : ['Each rule has a page: gatehouse lint --explain RULE.'])].join('\n');
}

function printFile(
  { file, report, fixed }: LintedFile,
  { io, all }: { readonly io: Io; readonly all: boolean },
): readonly string[] {
  const counts = new Map<string, number>();
  const shown = report.findings.filter(({ rule }) => {
    const count = (counts.get(rule) ?? 0) + 1;
    counts.set(rule, count);
    return all || count <= shownOfRule;
  });
  const hidden = all ? [] : [...counts].filter(([, count]) => count > shownOfRule);
  const fixable = report.findings.filter(({ fix }) => fix !== undefined).length;
  return [
    ...(shown.length > 0 ? [renderFindings(io, shown)] : []),
    ...hidden.map(([rule, count]) =>
      paint(io, 'dim', `… and ${count - shownOfRule} more of ${rule} (--all prints them)`),
    ),
    [
      `${file}: ${summarize(report.findings)}`,
      ...(report.suppressed.length > 0 ? [`${report.suppressed.length} suppressed`] : []),
      ...(fixed.length > 0 ? [`${fixed.length} mended`] : []),
      ...(fixable > 0 ? [`${fixable} that --fix mends`] : []),
    ].join(', '),
  ];
}

const nouns = { error: 'error', warning: 'warning', info: 'remark' } as const satisfies Record<Severity, string>;

function summarize(findings: readonly LintFinding[]): string {
  if (findings.length === 0) return 'clean';
  const parts = (['error', 'warning', 'info'] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count > 0 ? [`${count} ${nouns[severity]}${count === 1 ? '' : 's'}`] : [];
  });
  return parts.join(', ');
}
