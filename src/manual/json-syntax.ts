import { skipSpace, skipString } from './json-text.js';

// RFC 8259 sections 2, 3 and 6. Strings are read apart: a pattern would keep a state for each of their characters.
const scalarOrMark = /(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)|[{}[\]:,]/y;

type Expectation = 'value' | 'first name' | 'name' | 'colon' | 'first item' | 'comma' | 'end';

interface Token {
  /** A structural character, or which kind of scalar. */
  readonly kind: string;
  /** The offset after it. */
  readonly end: number;
}

/**
 * The offset at which a text stops being JSON (RFC 8259); the text's length when it only breaks off. Asked for when
 * `JSON.parse` has refused the text, since its message does not always say where.
 */
export function findSyntaxError(text: string): number {
  const open: string[] = [];
  let expected: Expectation | undefined = 'value';
  let at = skipSpace(text, 0);
  for (let token = readToken(text, at); token; token = readToken(text, at)) {
    expected = follow(expected, token.kind, open);
    if (expected === undefined) return at;
    at = skipSpace(text, token.end);
  }
  return at;
}

function readToken(text: string, at: number): Token | undefined {
  if (text[at] === '"') return readString(text, at);
  scalarOrMark.lastIndex = at;
  const match = scalarOrMark.exec(text);
  return match ? { kind: match[1] === undefined ? match[0] : 'scalar', end: scalarOrMark.lastIndex } : undefined;
}

function readString(text: string, at: number): Token | undefined {
  const end = skipString(text, at);
  try {
    JSON.parse(text.slice(at, end));
    return { kind: 'string', end };
  } catch {
    // An escape or a raw control character that a JSON string cannot hold, or no closing quote.
    return undefined;
  }
}

function follow(expected: Expectation, kind: string, open: string[]): Expectation | undefined {
  const wantsValue = expected === 'value' || expected === 'first item';
  if (kind === 'string' && (expected === 'name' || expected === 'first name')) return 'colon';
  if (kind === 'string' || kind === 'scalar') {
    if (!wantsValue) return undefined;
    return open.length === 0 ? 'end' : 'comma';
  }
  if (kind === '{' || kind === '[') {
    if (!wantsValue) return undefined;
    open.push(kind);
    return kind === '{' ? 'first name' : 'first item';
  }
  if (kind === ':') return expected === 'colon' ? 'value' : undefined;
  const container = open.at(-1);
  if (kind === ',') return expected !== 'comma' ? undefined : container === '{' ? 'name' : 'value';
  const closes = kind === '}' ? container === '{' : container === '[';
  const complete = expected === 'comma' || expected === (kind === '}' ? 'first name' : 'first item');
  if (!closes || !complete) return undefined;
  open.pop();
  return open.length === 0 ? 'end' : 'comma';
}
