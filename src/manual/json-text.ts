import { toPointer } from '../core/index.js';

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** An object or array of the text, as far as it has been read. */
interface Container {
  readonly offsets: Map<string, number>;
  readonly rest: Iterator<readonly [token: string, offset: number]>;
}

/**
 * Where the values of a JSON text stand. Nothing is indexed ahead: a pointer is followed through the text when a finding
 * asks for it, no further than it leads, and what was read on the way is remembered, so that a 13 MB document costs
 * nothing until then.
 */
export class JsonText {
  readonly #text: string;
  readonly #containers = new Map<number, Container>();

  /** Takes a text that `JSON.parse` has accepted. */
  constructor(text: string) {
    this.#text = text;
  }

  /** The offset of the value that the tokens lead to, or of its nearest ancestor that is there. */
  offsetOf(tokens: readonly string[]): number {
    let offset = skipSpace(this.#text, 0);
    for (const token of tokens) {
      const next = this.#find(offset, token);
      if (next === undefined) return offset;
      offset = next;
    }
    return offset;
  }

  #find(container: number, token: string): number | undefined {
    const { offsets, rest } = this.#open(container);
    const known = offsets.get(token);
    if (known !== undefined) return known;
    for (let next = rest.next(); !next.done; next = rest.next()) {
      const [name, offset] = next.value;
      offsets.set(name, offset);
      if (name === token) return offset;
    }
    return undefined;
  }

  #open(offset: number): Container {
    const container = this.#containers.get(offset) ?? { offsets: new Map(), rest: readMembers(this.#text, offset) };
    this.#containers.set(offset, container);
    return container;
  }
}

/** How many object members a JSON text spells out and how deep it nests. Strings are skipped, nothing is parsed. */
export function measureJson(text: string): { readonly members: number; readonly depth: number } {
  let members = 0;
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = skipString(text, at) - 1;
    else if (code === colon) members++;
    else if (code === openBrace || code === openBracket) deepest = Math.max(deepest, ++depth);
    else if (code === closeBrace || code === closeBracket) depth--;
  }
  return { members, depth: deepest };
}

/** Pointers and offsets of the members that repeat a name of the same object; `JSON.parse` keeps the last in silence. */
export function findDuplicates(text: string): readonly { readonly pointer: string; readonly offset: number }[] {
  const duplicates: { pointer: string; offset: number }[] = [];
  const open: { offset: number; path: readonly string[] }[] = [{ offset: skipSpace(text, 0), path: [] }];
  for (let container = open.pop(); container; container = open.pop()) {
    const seen = new Set<string>();
    for (const [token, offset] of readMembers(text, container.offset)) {
      const path = [...container.path, token];
      if (seen.has(token)) duplicates.push({ pointer: toPointer(...path), offset });
      seen.add(token);
      if (isContainer(text.charCodeAt(offset))) open.push({ offset, path });
    }
  }
  return duplicates.sort((one, other) => one.offset - other.offset);
}

function* readMembers(text: string, start: number): Generator<readonly [token: string, offset: number]> {
  const opening = text.charCodeAt(start);
  if (!isContainer(opening)) return;
  let at = skipSpace(text, start + 1);
  for (let index = 0; at < text.length && !isClosing(text.charCodeAt(at)); index++) {
    let token = String(index);
    if (opening === openBrace) {
      const end = skipString(text, at);
      token = readString(text.slice(at, end));
      at = skipSpace(text, skipSpace(text, end) + 1);
    }
    yield [token, at];
    at = skipSpace(text, skipValue(text, at));
    if (text.charCodeAt(at) === comma) at = skipSpace(text, at + 1);
  }
}

function readString(literal: string): string {
  return literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1);
}

function skipValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === quote) return skipString(text, start);
  let at = start;
  if (!isContainer(first)) {
    while (at < text.length && !endsScalar(text.charCodeAt(at))) at++;
    return at;
  }
  for (let depth = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) at = skipString(text, at) - 1;
    else if (isContainer(code)) depth++;
    else if (isClosing(code) && --depth === 0) return at + 1;
  }
  return at;
}

/** The offset after the string literal that starts at `start`. */
export function skipString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end + 1;
  }
  return text.length;
}

/** The offset of the next character that is no insignificant white space (RFC 8259 section 2). */
export function skipSpace(text: string, start: number): number {
  let at = start;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function isContainer(code: number): boolean {
  return code === openBrace || code === openBracket;
}

function isClosing(code: number): boolean {
  return code === closeBrace || code === closeBracket;
}

function endsScalar(code: number): boolean {
  return code === comma || isClosing(code) || isSpace(code);
}
