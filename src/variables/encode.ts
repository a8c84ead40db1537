import { GatehouseError, type Json, LoadError, toPointer } from '../core/index.js';

/**
 * Where a text stands, which decides how a value is put into it:
 * - `header`: a field value; CR, LF, NUL and other controls are refused (RFC 9110 section 5.5).
 * - `url_base`: scheme, host and port; for variables alone, and what comes out is for the URL guard to check.
 * - `url_path`, `url_query`: percent-encoded, so that a value never adds a segment, a query or a fragment.
 * - `argv`: one argument of a process; NUL is refused.
 * - `file_path`: a path below an allowed directory; the protocol resolves and checks the whole.
 * - `json`: a JSON text; a value stands as JSON, or escaped where the placeholder is inside a string.
 * - `json_string`: what `json` becomes inside a string; a template has no use for it.
 * - `plain`: as it is (a message body that is not JSON).
 */
export type SubstitutionContext =
  | 'header'
  | 'url_base'
  | 'url_path'
  | 'url_query'
  | 'argv'
  | 'file_path'
  | 'json'
  | 'json_string'
  | 'plain';

/** One argument as text, encoded for its context. Throws GatehouseError `invalid_input` for what the context refuses. */
export function encodeArgument(name: string, value: Json, context: SubstitutionContext): string {
  switch (context) {
    case 'url_path':
      return encodePath(name, value);
    case 'url_query':
      return encodeList(name, value);
    case 'header':
      return encodeHeader(name, joinScalars(value));
    case 'json':
      return JSON.stringify(value);
    case 'json_string':
      return escapeJson(toText(value));
    case 'url_base':
      throw refuseArgument(name, 'cannot choose the host of a URL');
    default:
      return refuseNul(name, toText(value));
  }
}

/** The error of an argument that its context refuses; `problem` ends the sentence "An argument …". */
export function refuseArgument(name: string, problem: string): GatehouseError {
  return new GatehouseError('invalid_input', {
    detail: `An argument ${problem}.`,
    errors: [{ pointer: toPointer(name), message: problem }],
  });
}

function toText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

// A list of plain values is written with commas, as in OpenAPI's `simple` style; anything deeper stays JSON.
function joinScalars(value: Json): string {
  return isScalarList(value) ? value.map(toText).join(',') : toText(value);
}

function isScalarList(value: Json): value is readonly Json[] {
  return Array.isArray(value) && value.every((item) => typeof item !== 'object' || item === null);
}

function encodePath(name: string, value: Json): string {
  const encoded = encodeList(name, value);
  // A URL parser takes %2e for a dot: `.` and `..` as a whole segment would climb whatever they are written as.
  if (encoded === '.' || encoded === '..' || encoded === '') throw refuseArgument(name, 'cannot stand in a URL path');
  return encoded;
}

function encodeList(name: string, value: Json): string {
  if (!isScalarList(value)) return encodeComponent(name, toText(value));
  return value.map((item) => encodeComponent(name, toText(item))).join(',');
}

function encodeComponent(name: string, text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // A lone surrogate has no UTF-8 form.
    throw refuseArgument(name, 'is not well-formed Unicode');
  }
}

function encodeHeader(name: string, text: string): string {
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(text)) throw refuseArgument(name, 'holds a control character');
  if (/[^\0-\xff]/.test(text)) throw refuseArgument(name, 'holds a character that a header cannot carry');
  return text;
}

function refuseNul(name: string, text: string): string {
  if (text.includes('\0')) throw refuseArgument(name, 'holds a NUL character');
  return text;
}

function escapeJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** A variable's value, encoded for its context; throws LoadError that names it, never its value. */
export function encodeVariable(
  name: string,
  value: string,
  options: { readonly context: SubstitutionContext; readonly file: string; readonly pointer: string },
): string {
  const isLine = options.context === 'header' || options.context.startsWith('url');
  if (value.includes('\0') || (isLine && /[\r\n]/.test(value)) || /\p{Surrogate}/u.test(value)) {
    throw LoadError.of({
      rule: 'variable-unsafe',
      file: options.file,
      pointer: options.pointer,
      message: `Variable ${name} holds a character that a ${options.context.replace('_', ' ')} cannot carry.`,
      mend: 'Remove line breaks, NUL and broken Unicode from the value.',
    });
  }
  if (options.context === 'url_path') return value.split('/').map(encodeURIComponent).join('/');
  if (options.context === 'url_query') return encodeURIComponent(value);
  if (options.context === 'json') return JSON.stringify(value);
  return options.context === 'json_string' ? escapeJson(value) : value;
}
