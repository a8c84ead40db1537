import { isJsonObject, type JsonObject } from '../core/index.js';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lexeme = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

/**
 * The JSON object in these bytes; undefined when they are not UTF-8, not JSON, not an object, or name a member twice at
 * any depth. RFC 7519 section 4 and RFC 7515 section 5.2: parsers that disagree on which of two members counts are an
 * attack, so neither counts. Never throws.
 */
export function parseStrictObject(bytes: Buffer): JsonObject | undefined {
  try {
    const text = decoder.decode(bytes);
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) && !repeatsMember(text) ? value : undefined;
  } catch {
    // Both the decoder and the parser say "malformed" by throwing; which of them it was changes nothing.
    return undefined;
  }
}

// Walks text that JSON.parse has taken, so strings and brackets are known to be well formed.
function repeatsMember(text: string): boolean {
  const open: (Set<string> | undefined)[] = [];
  let candidate: string | undefined;
  for (const [token] of text.matchAll(lexeme)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const members = open.at(-1);
      const name: unknown = JSON.parse(candidate ?? '""');
      if (members?.has(String(name))) return true;
      members?.add(String(name));
    } else if (token !== ',') candidate = token;
  }
  return false;
}
