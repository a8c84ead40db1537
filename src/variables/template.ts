import { type Arguments, GatehouseError, isJsonObject, type Json, type JsonSchema, LoadError } from '../core/index.js';
import type { VariableSource } from './source.js';

/**
 * Where a text stands, which decides how an argument is put into it:
 * - `header`: a field value; CR, LF, NUL and other controls are refused (RFC 9110 section 5.5).
 * - `url_path`, `url_query`: percent-encoded, so that a value never adds a segment, a query or a fragment.
 * - `argv`: one argument of a process; NUL is refused.
 * - `file_path`: a path below an allowed directory; the protocol resolves and checks the whole.
 * - `plain`: as it is (a message body that is not JSON).
 */
export type SubstitutionContext = 'header' | 'url_path' | 'url_query' | 'argv' | 'file_path' | 'plain';

/** A text with its variables already in place and its arguments still open. */
export interface CompiledText {
  /** Names of the arguments that the text uses. */
  readonly arguments: ReadonlySet<string>;
  /** The text when it uses no argument; undefined otherwise. */
  readonly constant: string | undefined;
  /**
   * Puts the arguments in. One pass: a value that looks like `${OTHER}` or `{other}` stays text. Returns undefined when
   * an argument it uses is absent. Throws GatehouseError `invalid_input` for a value that the context refuses.
   */
  render(args: Arguments): string | undefined;
}

export interface CompileOptions {
  readonly context: SubstitutionContext;
  readonly inputs: JsonSchema;
  readonly variables: VariableSource;
  /** For findings. */
  readonly file: string;
  readonly pointer: string;
}

type Segment = { readonly text: string } | { readonly argument: string };

// `$$` escapes a dollar; `${NAME}` is a variable, or an argument where NAME is an input; `{name}` is an argument.
const placeholder = /\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/**
 * Splits a template text into constant parts and arguments, and puts the variables in. Throws LoadError for a missing
 * variable, for a placeholder that names no input, and for a name that is both an input and an allowed variable.
 */
export function compileText(text: string, options: CompileOptions): CompiledText {
  const segments = parseSegments(text, options);
  const used = new Set(segments.flatMap((segment) => ('argument' in segment ? [segment.argument] : [])));
  const constant =
    used.size === 0 ? segments.map((segment) => ('text' in segment ? segment.text : '')).join('') : undefined;
  if (constant !== undefined && options.context === 'header') refuseControls(constant, options);
  return { arguments: used, constant, render: (args) => constant ?? renderSegments(segments, args, options.context) };
}

function parseSegments(text: string, options: CompileOptions): readonly Segment[] {
  const inputs = inputNames(options.inputs);
  const segments: Segment[] = [];
  let end = 0;
  for (const match of text.matchAll(placeholder)) {
    if (match.index > end) segments.push({ text: text.slice(end, match.index) });
    end = match.index + match[0].length;
    segments.push(resolvePlaceholder(match[1], match[2], inputs, options));
  }
  if (end < text.length) segments.push({ text: text.slice(end) });
  return segments;
}

function resolvePlaceholder(
  dollar: string | undefined,
  brace: string | undefined,
  inputs: ReadonlySet<string>,
  options: CompileOptions,
): Segment {
  const name = dollar ?? brace;
  if (name === undefined) return { text: '$' };
  if (inputs.has(name)) {
    if (options.variables.has(name)) throw ambiguous(name, options);
    return { argument: name };
  }
  if (brace !== undefined) throw undeclared(name, options);
  const value = options.variables.load(name);
  return { text: encodeVariable(name, value, options) };
}

/** The names of a schema's top-level properties. */
export function inputNames(inputs: JsonSchema): ReadonlySet<string> {
  return new Set(isJsonObject(inputs.properties) ? Object.keys(inputs.properties) : []);
}

// A variable is the operator's own word, so a URL variable may hold a whole origin; only what would break the
// message apart is refused.
function encodeVariable(name: string, value: string, options: CompileOptions): string {
  if (/[\0\r\n]/.test(value)) {
    throw LoadError.of({
      rule: 'variable-unsafe',
      file: options.file,
      pointer: options.pointer,
      message: `Variable ${name} holds a line break or NUL, which a ${options.context} value must not.`,
      mend: 'Remove it from the value.',
    });
  }
  return value;
}

function renderSegments(
  segments: readonly Segment[],
  args: Arguments,
  context: SubstitutionContext,
): string | undefined {
  let rendered = '';
  for (const segment of segments) {
    if ('text' in segment) {
      rendered += segment.text;
      continue;
    }
    const value = Object.hasOwn(args, segment.argument) ? args[segment.argument] : undefined;
    if (value === undefined) return undefined;
    rendered += encodeArgument(segment.argument, value, context);
  }
  return rendered;
}

/** One argument as text, encoded for its context. Throws GatehouseError `invalid_input` for what the context refuses. */
export function encodeArgument(name: string, value: Json, context: SubstitutionContext): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (context === 'url_path') {
    // A URL parser takes %2e for a dot: `.` and `..` as a whole segment would climb whatever they are written as.
    if (text === '.' || text === '..' || text === '') throw refused(name, 'cannot stand in a URL path');
    return encodeComponent(name, text);
  }
  if (context === 'url_query') return encodeComponent(name, text);
  if (context === 'header') {
    if (/[\0-\x08\x0a-\x1f\x7f]/.test(text)) throw refused(name, 'holds a control character');
    if (/[^\x20-\x7e\t\x80-\xff]/.test(text)) throw refused(name, 'holds a character that a header cannot carry');
    return text;
  }
  if (text.includes('\0')) throw refused(name, 'holds a NUL character');
  return text;
}

function encodeComponent(name: string, text: string): string {
  try {
    return encodeURIComponent(text);
  } catch {
    // A lone surrogate has no UTF-8 form.
    throw refused(name, 'is not well-formed Unicode');
  }
}

function refused(name: string, problem: string): GatehouseError {
  return new GatehouseError('invalid_input', {
    detail: `An argument ${problem}.`,
    errors: [{ pointer: `/${name}`, message: problem }],
  });
}

function refuseControls(text: string, options: CompileOptions): void {
  if (!/[\0-\x08\x0a-\x1f\x7f]/.test(text)) return;
  throw LoadError.of({
    rule: 'header-unsafe',
    file: options.file,
    pointer: options.pointer,
    message: 'A header value holds a control character.',
    mend: 'Remove it.',
  });
}

function ambiguous(name: string, options: CompileOptions): LoadError {
  return LoadError.of({
    rule: 'placeholder-ambiguous',
    file: options.file,
    pointer: options.pointer,
    message: `${name} is both an input of the tool and a variable.`,
    mend: 'Rename the input or the variable.',
  });
}

function undeclared(name: string, options: CompileOptions): LoadError {
  return LoadError.of({
    rule: 'placeholder-undeclared',
    file: options.file,
    pointer: options.pointer,
    message: `{${name}} names no input of the tool.`,
    mend: `Declare ${name} under inputs.properties, or write \${${name}} for a variable.`,
  });
}
