import { existsSync, readFileSync } from 'node:fs';
import { type Finding, LoadError, type Severity } from '../core/index.js';
import { lintRules, toSarif } from '../manual/index.js';
import {
  type Command,
  type CommandInput,
  commonOptions,
  exitCodes,
  flagOf,
  type Io,
  stringOf,
  stringsOf,
  UsageError,
} from './command.js';
import { type LintedFile, lintFiles } from './lint-files.js';
import { printLint, toLintRows } from './lint-report.js';
import { sourceOptions } from './source.js';
import { readVersion } from './version.js';

const severities = ['error', 'warning', 'info'] as const satisfies readonly Severity[];

/** `gatehouse lint FILE|URL…`: what is wrong with manuals, and how to mend it. */
export const lintCommand: Command = {
  name: 'lint',
  summary: 'find what is unsafe or unportable in manuals',
  usage: 'FILE|URL…',
  options: {
    fix: { type: 'boolean', help: 'mend in the file what can be mended without a change of meaning' },
    'fail-on': { type: 'string', value: 'SEVERITY', help: 'exit 1 from error, warning (default) or info upwards' },
    suppressions: {
      type: 'string',
      value: 'FILE',
      help: 'accepted findings with reasons (default: .gatehouse-lint.yaml beside each manual)',
    },
    expose: { type: 'string', value: 'HOW', help: 'routed (default), or direct: served as it is written' },
    'allowed-prefix': {
      type: 'string',
      value: 'PREFIX',
      multiple: true,
      help: 'of variables (default UTCP_ and API_)',
    },
    'base-url': { type: 'string', value: 'URL', help: 'for an OpenAPI document that names no server' },
    all: { type: 'boolean', help: 'print every finding, not just the first of each rule' },
    explain: { type: 'string', value: 'RULE', help: "print a rule's page" },
    sarif: { type: 'boolean', help: 'print SARIF 2.1.0, for code hosts' },
    ...sourceOptions,
    json: commonOptions.json,
    help: commonOptions.help,
  },
  notes: [
    'A UTCP manual (1.x, or 0.1) or an OpenAPI document, JSON or YAML. docs/lint/README.md lists the rules.',
    'Exit codes: 0 clean, 1 findings of the severity of --fail-on or above, 2 wrong usage or unreadable input.',
  ],
  async run(input, io) {
    const rule = stringOf(input, 'explain');
    if (rule !== undefined) return explainRule(rule, io);
    if (input.positionals.length === 0) throw new UsageError('FILE or URL is missing');
    if (flagOf(input, 'json') && flagOf(input, 'sarif')) throw new UsageError('--json and --sarif exclude each other');
    const heavy = readFailOn(input);
    const files = await lintFiles(input.positionals, readOptions(input), input, io);
    printReports(files, input, io);
    const findings = files.flatMap(({ report }) => report.findings);
    if (findings.some(({ rule: id }) => id === 'document-unreadable')) return exitCodes.usage;
    return findings.some(({ severity }) => heavy.includes(severity)) ? exitCodes.findings : exitCodes.good;
  },
};

function readFailOn(input: CommandInput): readonly Severity[] {
  const least = stringOf(input, 'fail-on') ?? 'warning';
  const index = severities.map(String).indexOf(least);
  if (index < 0) throw new UsageError(`--fail-on must be one of ${severities.join(', ')}`);
  return severities.slice(0, index + 1);
}

function readOptions(input: CommandInput) {
  const expose = stringOf(input, 'expose') ?? 'routed';
  if (expose !== 'routed' && expose !== 'direct') throw new UsageError('--expose must be routed or direct');
  const prefixes = stringsOf(input, 'allowed-prefix');
  return { expose, ...(prefixes.length > 0 && { allowed_prefixes: prefixes }) } as const;
}

function printReports(files: readonly LintedFile[], input: CommandInput, io: Io): void {
  const report = {
    findings: files.flatMap((file) => file.report.findings),
    suppressed: files.flatMap((file) => file.report.suppressed),
  };
  if (flagOf(input, 'sarif')) io.out(JSON.stringify(toSarif(report, readVersion()), null, 2));
  else if (flagOf(input, 'json')) io.out(JSON.stringify(toLintRows(files)));
  else io.out(printLint(files, { io, all: flagOf(input, 'all') }));
}

function explainRule(rule: string, io: Io): number {
  const page = new URL(`../../docs/lint/${encodeURIComponent(rule)}.md`, import.meta.url);
  if (!lintRules.some(({ id }) => id === rule) || !existsSync(page)) throw noSuchRule(rule);
  io.out(readFileSync(page, 'utf8').trimEnd());
  return exitCodes.good;
}

function noSuchRule(rule: string): LoadError {
  const finding: Omit<Finding, 'severity'> = {
    rule: 'lint-rule-unknown',
    pointer: '',
    message: `There is no rule ${rule}.`,
    mend: `The rules: ${lintRules.map(({ id }) => id).join(', ')}.`,
  };
  return LoadError.of(finding);
}
