import { type AuthoredManual, type Finding, type Json, LoadError } from '../../core/index.js';
import { parseDocument, type SourceDocument } from '../document.js';
import { type ImportOptions, importOpenApiDocument, isOpenApi } from '../openapi/import.js';
import { acceptFindings, collectFindings, complete, type LintReport, lintManual, sortFindings } from './lint.js';
import type { LintFinding, LintOptions } from './rule.js';

/** What the import of an OpenAPI document needs beside its text. */
export type OpenApiSource = Pick<ImportOptions, 'name' | 'path' | 'source_url' | 'base_url' | 'io'>;

/**
 * Lints the text of a UTCP manual, or of an OpenAPI document as the manual that it becomes: findings then point to the
 * operation, and none is fixed, since the document is not a manual. What cannot be read is a finding, not an error.
 */
export async function lintSource(
  text: string,
  file: string,
  options: LintOptions,
  openapi: OpenApiSource,
): Promise<LintReport> {
  try {
    const document = parseDocument(text, file);
    if (!isOpenApi(document.value)) return lintManual(document, options);
    return await lintOpenApi(document, options, openapi);
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    return { findings: error.findings.map((finding) => complete(finding, undefined)), suppressed: [] };
  }
}

async function lintOpenApi(
  document: SourceDocument,
  options: LintOptions,
  openapi: OpenApiSource,
): Promise<LintReport> {
  const imported = await importOpenApiDocument(document, { ...openapi, file: document.file });
  const { manual, pointers } = imported;
  const places = manual.tools.map(({ name }) => pointers.get(name) ?? '');
  const place = (pointer: string) => places[Number(/^\/tools\/(\d+)/.exec(pointer)?.[1])] ?? '';
  const made = { file: document.file, value: toValue(manual), lineOf: (at: string) => document.lineOf(place(at)) };
  const toolAt = new Map([...pointers].map(([tool, pointer]) => [pointer, tool]));
  const own = imported.findings.map((finding) => complete(finding, toolOf(finding, toolAt)));
  const found = [...own, ...collectFindings(made, options).map(withoutFix)];
  const { findings, suppressed } = acceptFindings(sortFindings(found), options, document.file);
  const move = (finding: LintFinding) => moveFinding(finding, place);
  return {
    findings: findings.map(move),
    suppressed: suppressed.map(({ finding, reason }) => ({ finding: move(finding), reason })),
  };
}

// Scopes are the configuration's, and no part of the manual.
function toValue({ tools, ...manual }: AuthoredManual): Json {
  return { ...manual, tools: tools.map(({ required_scopes: _scopes, ...tool }) => ({ ...tool })) };
}

function toolOf({ pointer }: Finding, toolAt: ReadonlyMap<string, string>): string | undefined {
  const [operation = ''] = /^\/paths\/[^/]*\/[^/]*/.exec(pointer) ?? [];
  return toolAt.get(operation);
}

function withoutFix({ fix: _fix, ...finding }: LintFinding): LintFinding {
  return finding;
}

// Where in the tool it is stays in the words: the operation has it at another place, or behind a reference.
function moveFinding(finding: LintFinding, place: (pointer: string) => string): LintFinding {
  if (!finding.pointer.startsWith('/tools/')) return finding;
  const within = finding.pointer.replace(/^\/tools\/\d+/, '');
  const where = within === '' ? '' : ` (${finding.tool ?? 'the tool'}${within})`;
  return { ...finding, pointer: place(finding.pointer), message: `${finding.message}${where}` };
}
