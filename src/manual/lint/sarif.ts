import type { Severity } from '../../core/index.js';
import { type LintReport, lintRules } from './lint.js';
import type { LintFinding } from './rule.js';

const levels: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' };

/** A report as SARIF 2.1.0 (OASIS), which code hosts show beside the lines it speaks of. */
export function toSarif({ findings, suppressed }: LintReport, toolVersion: string): Readonly<Record<string, unknown>> {
  return {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'gatehouse',
            version: toolVersion,
            rules: lintRules.map(({ id, severity, why, mend }) => ({
              id,
              shortDescription: { text: why },
              help: { text: `${mend} docs/lint/${id}.md`, markdown: `${mend} See \`docs/lint/${id}.md\`.` },
              defaultConfiguration: { level: levels[severity] },
            })),
          },
        },
        results: [
          ...findings.map((finding) => toResult(finding)),
          ...suppressed.map(({ finding, reason }) => ({
            ...toResult(finding),
            suppressions: [{ kind: 'external', justification: reason }],
          })),
        ],
      },
    ],
  };
}

function toResult({
  rule,
  severity,
  file,
  line,
  pointer,
  message,
  mend,
}: LintFinding): Readonly<Record<string, unknown>> {
  const index = lintRules.findIndex(({ id }) => id === rule);
  const region = line === undefined ? {} : { region: { startLine: line } };
  return {
    ruleId: rule,
    ...(index < 0 ? {} : { ruleIndex: index }),
    level: levels[severity],
    message: { text: `${message} ${mend}` },
    locations: [
      {
        ...(file === undefined ? {} : { physicalLocation: { artifactLocation: { uri: toUri(file) }, ...region } }),
        logicalLocations: [{ fullyQualifiedName: pointer, kind: 'member' }],
      },
    ],
    partialFingerprints: { 'rulePointer/v1': `${rule} ${pointer}` },
  };
}

// A URI reference (RFC 3986): a path with its spaces and brackets encoded, a URL as it is.
function toUri(file: string): string {
  return /^https?:/i.test(file) ? new URL(file).href : file.split(/[\\/]/).map(encodeURIComponent).join('/');
}
