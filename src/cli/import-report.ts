import { basename } from 'node:path';
import { stringify } from 'yaml';
import type { Finding } from '../core/index.js';
import type { ImportedOpenApi, OperationReport } from '../manual/index.js';
import type { Io } from './command.js';
import { paint, printable, renderFindings, toFindingRows } from './terminal.js';

/** What became of a document, for `import --json`. */
export interface ImportReport {
  /** Where the manual was written; absent when it was printed. */
  readonly file: string | undefined;
  readonly summary: Readonly<Record<OperationReport['status'] | 'operations' | 'tools', number>>;
  readonly operations: readonly OperationReport[];
  readonly findings: readonly Record<string, unknown>[];
  /** Variables that the manual's credentials stand for; a missing one stops the start. */
  readonly variables: readonly string[];
  /** The entry of `manuals` that serves the manual; it keeps the scopes, which a UTCP tool has no field for. */
  readonly entry: {
    readonly name: string;
    readonly source: string;
    readonly tools?: Readonly<Record<string, { readonly required_scopes: readonly string[] }>>;
  };
}

export function describeImport(
  { manual, operations, findings }: ImportedOpenApi,
  { name, source, out }: { readonly name: string; readonly source: string; readonly out: string | undefined },
): ImportReport {
  const count = (status: OperationReport['status']) => operations.filter((one) => one.status === status).length;
  const scoped = manual.tools.flatMap((tool) =>
    tool.required_scopes ? [[tool.name, { required_scopes: tool.required_scopes }] as const] : [],
  );
  const auths = JSON.stringify(manual.tools.map(({ tool_call_template: { auth, headers } }) => [auth, headers]));
  return {
    file: out,
    summary: {
      operations: operations.length,
      tools: manual.tools.length,
      carried: count('carried'),
      partly: count('partly'),
      left_out: count('left_out'),
      excluded: count('excluded'),
    },
    operations,
    findings: toFindingRows(findings),
    variables: [...new Set([...auths.matchAll(/\$\{(\w+)\}/g)].map(([, variable = '']) => variable))].sort(),
    entry: {
      name,
      source: `./${basename(out ?? source)}`,
      ...(scoped.length > 0 && { tools: Object.fromEntries(scoped) }),
    },
  };
}

/** The report for a person: what is not carried whole operation by operation, the rest by kind, and what to do next. */
export function printImport(
  report: ImportReport,
  { findings }: ImportedOpenApi,
  { io, all }: { readonly io: Io; readonly all: boolean },
): string {
  const { summary } = report;
  const listed = report.operations.filter(({ status }) => all || status === 'partly' || status === 'left_out');
  const counts = [
    `${summary.carried} carried`,
    `${summary.partly} in part`,
    `${summary.left_out} left out`,
    `${summary.excluded} excluded`,
  ];
  const parts = [
    ...listed.map((operation) => describeOperation(operation, io)),
    ...describeRest(findings, io, all),
    `${summary.operations} operations: ${counts.join(', ')}. ${summary.tools} tools${report.file === undefined ? '' : ` in ${report.file}`}.`,
  ];
  return [...parts, ...describeNext(report)].join('\n');
}

const marks = {
  carried: { colour: 'green', text: 'carried' },
  partly: { colour: 'yellow', text: 'in part' },
  left_out: { colour: 'red', text: 'left out' },
  excluded: { colour: 'dim', text: 'excluded' },
} as const;

function describeOperation({ status, method, path, tool, problems }: OperationReport, io: Io): string {
  const { colour, text } = marks[status];
  const lead = `${paint(io, colour, text.padEnd(8))}  ${method} ${printable(path)}${tool === undefined ? '' : ` → ${tool}`}`;
  return [lead, ...problems.map((problem) => `          ${printable(problem)}`)].join('\n');
}

/** Findings that are not told by operation already: warnings in full, remarks as a count of each kind. */
function describeRest(findings: readonly Finding[], io: Io, all: boolean): readonly string[] {
  const rest = findings.filter(({ rule }) => !/^openapi-operation-(partial|left-out)$/.test(rule));
  const shown = rest.filter(({ severity }) => all || severity !== 'info');
  const counts = new Map<string, number>();
  if (!all)
    for (const { rule, severity } of rest) if (severity === 'info') counts.set(rule, (counts.get(rule) ?? 0) + 1);
  return [
    ...(shown.length > 0 ? [renderFindings(io, shown)] : []),
    ...[...counts].map(
      ([rule, count]) => `${paint(io, 'dim', 'remark  ')}  ${rule}: ${count} times (--all lists them)`,
    ),
  ];
}

const maxScopedTools = 20;

function describeNext({ file, variables, entry }: ImportReport): readonly string[] {
  const credential =
    variables.length > 0
      ? `Variables to set: ${variables.join(', ')}.`
      : 'The document asks for no credential. If its API does, give the entry an upstream_auth.';
  if (file === undefined) return [credential];
  const { tools = {}, ...rest } = entry;
  const scoped = Object.keys(tools).length;
  const isShort = scoped <= maxScopedTools;
  return [
    credential,
    '',
    `Name it in the configuration${scoped > 0 ? ', with the scopes that the document asks for' : ''}:`,
    '',
    stringify({ manuals: [isShort ? entry : rest] }, { lineWidth: 0 }).trimEnd(),
    ...(isShort ? [] : [`    # and the scopes of ${scoped} tools, which --json prints as entry.tools`]),
  ];
}
