import { isJsonObject, LoadError } from '../../core/index.js';
import { readUtcpManual } from '../authored.js';
import { parseDocument, type SourceDocument } from '../document.js';
import { credentialRules } from './credential-rules.js';
import { descriptionRules } from './description-rules.js';
import { portableRules } from './portable-rules.js';
import { processRules } from './process-rules.js';
import { readingRules } from './reading-rules.js';
import type { Detail, LintFinding, LintOptions, Rule, RuleContext, ToolSource } from './rule.js';
import { schemaRules } from './schema-rules.js';
import { suppress } from './suppression.js';
import { templateRules } from './template-rules.js';
import { listTools, toolAt } from './tool-list.js';
import { urlRules } from './url-rules.js';
import { objectOf } from './walk.js';

/** A suppressed finding, with the reason that its author gave. */
export interface SuppressedFinding {
  readonly finding: LintFinding;
  readonly reason: string;
}

export interface LintReport {
  /** By place in the document. */
  readonly findings: readonly LintFinding[];
  readonly suppressed: readonly SuppressedFinding[];
}

const checkingRules: readonly Rule[] = [
  ...urlRules,
  ...templateRules,
  ...credentialRules,
  ...processRules,
  ...portableRules,
  ...schemaRules,
  ...descriptionRules,
];

/** Every rule that a finding may come from, in the order of the documentation. */
export const lintRules: readonly Omit<Rule, 'check'>[] = [...readingRules, ...checkingRules, ...suppressionRules()];

const rulesById = new Map(lintRules.map((rule) => [rule.id, rule]));

/** Lints the text of a UTCP manual (1.x or 0.1). A document that cannot be read is a finding, not an error. */
export function lintText(text: string, file: string, options: LintOptions = {}): LintReport {
  try {
    return lintManual(parseDocument(text, file), options);
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    return { findings: error.findings.map((finding) => complete(finding, undefined)), suppressed: [] };
  }
}

/** Lints a UTCP manual (1.x or 0.1): the guide's checks, every client's needs, schemas, descriptions and addresses. */
export function lintManual(document: SourceDocument, options: LintOptions = {}): LintReport {
  return acceptFindings(collectFindings(document, options), options, document.file);
}

/** All findings of a manual by place, before any is suppressed. */
export function collectFindings(document: SourceDocument, options: LintOptions): readonly LintFinding[] {
  const manual = objectOf(document.value);
  const tools = listTools(manual.tools);
  const findings = readingFindings(document);
  for (const rule of checkingRules) {
    const report = (pointer: string, message: string, detail: Detail = {}) => {
      const { id, severity, mend, why } = rule;
      const tool = toolAt(pointer, tools);
      findings.push({
        ...{ rule: id, severity, file: document.file, pointer, line: document.lineOf(pointer), message, mend, why },
        docs: docsOf(id),
        ...(tool === undefined ? {} : { tool }),
        ...detail,
      });
    };
    rule.check(createContext(manual, tools, options, report));
  }
  return sortFindings(findings);
}

export function sortFindings(findings: readonly LintFinding[]): readonly LintFinding[] {
  return [...findings].sort(
    (one, other) => (one.line ?? 0) - (other.line ?? 0) || (one.pointer < other.pointer ? -1 : 1),
  );
}

/** Takes the suppressed findings out, and reports suppressions that fit nothing. */
export function acceptFindings(findings: readonly LintFinding[], options: LintOptions, file: string): LintReport {
  return suppress(findings, options.suppress ?? [], file, (finding) => complete(finding, undefined));
}

function createContext(
  manual: RuleContext['manual'],
  tools: readonly ToolSource[],
  options: LintOptions,
  report: RuleContext['report'],
): RuleContext {
  return {
    manual,
    tools,
    allowed_prefixes: options.allowed_prefixes ?? ['UTCP_', 'API_'],
    expose: options.expose ?? 'routed',
    report,
  };
}

function readingFindings(document: SourceDocument): LintFinding[] {
  if (!isJsonObject(document.value) || !('tools' in document.value)) {
    const finding = {
      rule: 'manual-unknown-kind',
      severity: 'error',
      file: document.file,
      pointer: '',
      line: 1,
    } as const;
    const { mend } = rulesById.get(finding.rule) ?? { mend: '' };
    return [complete({ ...finding, message: 'The document is no UTCP manual.', mend }, undefined)];
  }
  const tools = listTools(document.value.tools);
  const found = tryRead(document);
  return found.map((finding) => complete(finding, toolAt(finding.pointer, tools)));
}

function tryRead(document: SourceDocument): LoadError['findings'] {
  try {
    return readUtcpManual(document).notices;
  } catch (error) {
    if (error instanceof LoadError) return error.findings;
    throw error;
  }
}

/** A finding of another reader, with why it matters and its page. */
export function complete(finding: LoadError['findings'][number], tool: string | undefined): LintFinding {
  const { rule, severity, file, pointer, line, message, mend } = finding;
  const fix = rule === 'manual-null' ? { fix: { pointer, remove: true } as const } : {};
  return {
    ...{ rule, severity, pointer, message, mend, why: rulesById.get(rule)?.why ?? '', docs: docsOf(rule) },
    ...(file === undefined ? {} : { file }),
    ...(line === undefined ? {} : { line }),
    ...(tool === undefined ? {} : { tool }),
    ...fix,
  };
}

function docsOf(rule: string): string {
  // What the import of an OpenAPI document says is told on one page.
  return rule.startsWith('openapi-') ? 'docs/openapi.md' : `docs/lint/${rule}.md`;
}

function suppressionRules(): readonly Omit<Rule, 'check'>[] {
  return [
    {
      id: 'suppression-unused',
      severity: 'warning',
      why: 'A suppression that hides nothing will hide the next finding that fits it, unseen.',
      mend: 'Remove it.',
    },
  ];
}
