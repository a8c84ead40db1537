import { LineCounter } from 'yaml';
import { type Json, LoadError } from '../core/index.js';
import { findSyntaxError } from './json-syntax.js';
import { findDuplicates, JsonText, measureJson } from './json-text.js';
import { parseYaml } from './yaml-text.js';

/** A JSON or YAML document: its value, and where each part of it stands in the text. */
export interface SourceDocument {
  /** As the user named it: a path or a URL. */
  readonly file: string;
  readonly value: Json;
  /**
   * The line, counted from 1, of the value that a JSON pointer (RFC 6901) leads to, or of its nearest ancestor in the
   * text. Positions are looked up when asked for, never ahead.
   */
  lineOf(pointer: string): number;
}

/** Bounds of what is read, so that a hostile document costs no more than its size. */
export interface DocumentLimits {
  /** Longest text, in UTF-16 units. */
  readonly max_length: number;
  /** Deepest nesting of objects and arrays. */
  readonly max_depth: number;
}

export const documentLimits: DocumentLimits = { max_length: 67_108_864, max_depth: 200 };

/**
 * Reads a JSON or YAML text. JSON is read by `JSON.parse`; members that repeat a name are refused in both (a reviewer
 * reads the first, a parser keeps the last), as are alias bombs and values that JSON does not have.
 * Throws LoadError with file and line.
 */
export function parseDocument(source: string, file: string, limits: DocumentLimits = documentLimits): SourceDocument {
  if (source.length > limits.max_length) {
    throw unreadable(file, undefined, `The document is longer than ${limits.max_length} characters.`, 'Split it.');
  }
  const text = source.charCodeAt(0) === 0xfeff ? source.slice(1) : source;
  if (looksLikeJson(text)) {
    const parsed = tryJson(text);
    if (parsed) return toJsonDocument(text, parsed.value, file, limits);
    // A YAML flow mapping starts with a brace as well.
    if (!isYamlName(file)) throw malformedJson(text, file);
  }
  return parseYaml(text, file, limits);
}

/** The tokens of a JSON pointer (RFC 6901 section 4). */
export function parsePointer(pointer: string): readonly string[] {
  if (pointer === '') return [];
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Finds the line, counted from 1, that an offset of the text stands on. */
function countLines(text: string): (offset: number) => number {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
  return (offset) => lines.linePos(offset).line;
}

function toJsonDocument(text: string, value: Json, file: string, limits: DocumentLimits): SourceDocument {
  const { members, depth } = measureJson(text);
  if (depth > limits.max_depth) {
    throw unreadable(file, 1, `The document nests deeper than ${limits.max_depth} levels.`, 'Flatten it.');
  }
  // Counting is far cheaper than comparing names, and members that repeat a name leave the value with fewer.
  if (members !== countMembers(value)) throw duplicated(text, file);
  const positions = new JsonText(text);
  let lineAt: ((offset: number) => number) | undefined;
  return {
    file,
    value,
    lineOf: (pointer) => {
      lineAt ??= countLines(text);
      return lineAt(positions.offsetOf(parsePointer(pointer)));
    },
  };
}

function countMembers(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  const children: readonly Json[] = Array.isArray(value) ? value : Object.values(value);
  let count = Array.isArray(value) ? 0 : children.length;
  for (const child of children) count += countMembers(child);
  return count;
}

function duplicated(text: string, file: string): LoadError {
  const lineAt = countLines(text);
  return new LoadError(
    findDuplicates(text).map(({ pointer, offset }) => ({
      rule: 'document-duplicate-member',
      severity: 'error' as const,
      file,
      pointer,
      line: lineAt(offset),
      message: 'The same name stands twice in one object.',
      mend: 'Remove or rename one of the two.',
    })),
  );
}

function looksLikeJson(text: string): boolean {
  return /^[\s]*[{[]/.test(text);
}

function isYamlName(file: string): boolean {
  return /\.ya?ml$/i.test(file);
}

function tryJson(text: string): { readonly value: Json } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    // What is wrong is found by its place: the parser's own message quotes the text around it, maybe a credential.
    return undefined;
  }
}

function malformedJson(text: string, file: string): LoadError {
  const offset = findSyntaxError(text);
  const column = offset - text.lastIndexOf('\n', offset - 1);
  return unreadable(
    file,
    countLines(text)(offset),
    offset >= text.length ? 'The document breaks off.' : `The document is not JSON at column ${column}.`,
    'Mend the syntax there; a comma, a quote or a bracket is missing or too many.',
  );
}

function unreadable(file: string, line: number | undefined, message: string, mend: string): LoadError {
  return LoadError.of({
    rule: 'document-unreadable',
    file,
    pointer: '',
    ...(line === undefined ? {} : { line }),
    message,
    mend,
  });
}
