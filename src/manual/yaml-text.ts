import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import { escapePointer, type Finding, type Json, LoadError } from '../core/index.js';
import { type DocumentLimits, parsePointer, type SourceDocument } from './document.js';

/** Reads one YAML 1.2 document (core schema, merge keys allowed) as JSON. Throws LoadError with file and line. */
export function parseYaml(text: string, file: string, limits: DocumentLimits): SourceDocument {
  const lines = new LineCounter();
  const document = parseNodes(text, file, lines, limits);
  const lineOf = (pointer: string) => lines.linePos(offsetOf(document, parsePointer(pointer))).line;
  return { file, value: toJson(document, file, lineOf, text.length), lineOf };
}

function parseNodes(text: string, file: string, lines: LineCounter, limits: DocumentLimits): Document {
  try {
    const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
    const problems = [...document.errors, ...document.warnings].map((problem) =>
      toFinding(file, lines.linePos(problem.pos[0]).line, problem.code),
    );
    if (problems.length > 0) throw new LoadError(problems);
    refuseDepth(document, file, limits);
    return document;
  } catch (error) {
    if (error instanceof LoadError) throw error;
    // The parser recurses: a text of nothing but brackets ends its stack.
    throw new LoadError([toFinding(file, 1, 'NESTING')]);
  }
}

function refuseDepth(document: Document, file: string, limits: DocumentLimits): void {
  visit(document, {
    Node: (_key, _node, path) => {
      // A pair and its value stand as two steps in the path.
      if (path.length > 2 * limits.max_depth) throw new LoadError([toFinding(file, 1, 'NESTING')]);
    },
  });
}

function toJson(document: Document, file: string, lineOf: (pointer: string) => number, length: number): Json {
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 1000 });
  } catch {
    throw new LoadError([toFinding(file, 1, 'ALIAS_BOMB')]);
  }
  const copy = new JsonCopy(10 * length + 1_000_000);
  const json = copy.take(value, '');
  if (copy.exhausted) throw new LoadError([toFinding(file, 1, 'ALIAS_BOMB')]);
  if (copy.foreign !== undefined)
    throw new LoadError([toFinding(file, lineOf(copy.foreign), 'NOT_JSON', copy.foreign)]);
  return json;
}

/** Copies a value as JSON, aliases written out, and stops at a budget: what a text may grow to is bounded by its size. */
class JsonCopy {
  /** The pointer of the first value that JSON does not have: infinities, not-a-number, dates, binary. */
  foreign: string | undefined;
  #budget: number;

  constructor(budget: number) {
    this.#budget = budget;
  }

  get exhausted(): boolean {
    return this.#budget < 0;
  }

  take(value: unknown, pointer: string): Json {
    this.#budget -= typeof value === 'string' ? value.length + 1 : 1;
    if (this.exhausted || value === null || value === undefined) return null;
    if (typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    if (Array.isArray(value)) return value.map((item, index) => this.take(item, `${pointer}/${index}`));
    if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
      return Object.fromEntries(
        Object.entries(value).map(([key, member]) => [key, this.take(member, `${pointer}/${escapePointer(key)}`)]),
      );
    }
    this.foreign ??= pointer;
    return null;
  }
}

function offsetOf(document: Document, tokens: readonly string[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const token of tokens) {
    if (isAlias(node)) node = node.resolve(document);
    const child = childOf(node, token);
    if (child === undefined) return offset;
    node = child.node;
    offset = child.offset ?? offset;
  }
  return offset;
}

function childOf(node: unknown, token: string): { readonly node: unknown; readonly offset?: number } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(token)];
    return item === undefined ? undefined : { node: item, ...startOf(item) };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((candidate) => isScalar(candidate.key) && String(candidate.key.value) === token);
  return pair && { node: pair.value, ...startOf(pair.key) };
}

function startOf(node: unknown): { readonly offset?: number } {
  if (!isScalar(node) && !isMap(node) && !isSeq(node) && !isAlias(node)) return {};
  return node.range ? { offset: node.range[0] } : {};
}

const problems: Readonly<Record<string, readonly [rule: string, message: string, mend: string]>> = {
  DUPLICATE_KEY: [
    'document-duplicate-member',
    'The same name stands twice in one object.',
    'Remove or rename one of the two.',
  ],
  MULTIPLE_DOCS: ['document-unreadable', 'The file holds more than one YAML document.', 'Keep one document a file.'],
  NESTING: ['document-unreadable', 'The document nests too deep.', 'Flatten it.'],
  ALIAS_BOMB: [
    'document-unreadable',
    'The aliases expand to far more than the text holds.',
    'Write the parts out, or use fewer aliases.',
  ],
  NOT_JSON: [
    'document-unreadable',
    'The value has no JSON form (an infinity, a date or a binary tag).',
    'Write it as a quoted text.',
  ],
  TAG_RESOLVE_FAILED: ['document-unreadable', 'The YAML tag has no JSON form.', 'Take the tag away.'],
};

function toFinding(file: string, line: number, code: string, pointer = ''): Finding {
  const [rule, message, mend] = problems[code] ?? [
    'document-unreadable',
    `The document is not YAML (${code.toLowerCase().replaceAll('_', ' ')}).`,
    'Mend the syntax there; look at indentation, quotes and colons.',
  ];
  return { rule, severity: 'error', file, pointer, line, message, mend };
}
