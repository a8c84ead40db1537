import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { Json } from '../core/index.js';

/**
 * The one text of a JSON value (JCS, RFC 8785) in UTF-8: members sorted, no white space, numbers as ECMAScript writes
 * them. Throws Error for what has none: a lone surrogate, or a value nested beyond the stack.
 */
export function canonicalizeJson(value: Json): Buffer {
  return Buffer.from(canonicalize(value) ?? 'null');
}

/** `sha256:` and the SHA-256 of the canonical form in hexadecimal; equal for JSON values that are equal. */
export function digestJson(value: Json): string {
  return `sha256:${createHash('sha256').update(canonicalizeJson(value)).digest('hex')}`;
}
