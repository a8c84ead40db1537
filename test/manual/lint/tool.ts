import { lintText } from '../../../src/manual/lint/lint.js';
import type { LintFinding, LintOptions } from '../../../src/manual/lint/rule.js';

const sound = {
  name: 'list_books',
  description: 'Lists all books.',
  inputs: { type: 'object', properties: {}, additionalProperties: false },
  tags: ['books'],
  tool_call_template: { call_template_type: 'http', http_method: 'GET', url: 'https://api.example/books' },
};

/** A manual of one sound tool with some of its members replaced, as JSON. */
export function manualOf(part: Readonly<Record<string, unknown>>): string {
  const manual = { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [{ ...sound, ...part }] };
  return JSON.stringify(manual, undefined, 2);
}

export function lintTool(part: Readonly<Record<string, unknown>>, options: LintOptions = {}): readonly LintFinding[] {
  return lintText(manualOf(part), 'manual.json', options).findings;
}

export function rulesOf(part: Readonly<Record<string, unknown>>, options: LintOptions = {}): readonly string[] {
  return lintTool(part, options).map(({ rule }) => rule);
}
