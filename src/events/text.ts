import { isJsonObject, type Json } from '../core/index.js';

/** Printable ASCII that JSON needs not escape: the usual case, checked and copied in one go. */
const plain = /^[ !#-[\]-~]*$/;
const beyondAscii = /[^\x20-\x7e]/g;
const maxTextLength = 1024;
const maxDepth = 6;
const maxMembers = 50;

/**
 * A string as a JSON string in printable ASCII: whatever it holds (line breaks, U+2028, escape sequences for terminals,
 * bidirectional overrides, lone surrogates), it can't end the line that it stands in or change how the line shows. Beyond
 * 1,024 UTF-16 units it is cut and says so.
 */
export function quote(text: string): string {
  if (text.length <= maxTextLength) return plain.test(text) ? `"${text}"` : escapeText(text);
  return escapeText(`${text.slice(0, maxTextLength)}[cut from ${text.length}]`);
}

function escapeText(text: string): string {
  return JSON.stringify(text).replace(beyondAscii, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A JSON value as JSON text under the same rules; nesting and width are bounded, and what is cut says so. */
export function renderJson(value: Json, depth = 0): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  if (typeof value === 'boolean' || value === null) return String(value);
  if (depth >= maxDepth) return '"[cut]"';
  if (isJsonObject(value)) return renderMembers(Object.entries(value), depth);
  const items = value.slice(0, maxMembers).map((item) => renderJson(item, depth + 1));
  if (value.length > maxMembers) items.push(`"[cut from ${value.length}]"`);
  return `[${items.join(',')}]`;
}

function renderMembers(members: readonly (readonly [string, Json])[], depth: number): string {
  const parts = members.slice(0, maxMembers).map(([name, item]) => `${quote(name)}:${renderJson(item, depth + 1)}`);
  if (members.length > maxMembers) parts.push(`"[cut]":${members.length}`);
  return `{${parts.join(',')}}`;
}
