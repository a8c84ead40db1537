import { type Arguments, isJsonObject, type JsonSchema, LoadError, toPointer } from '../core/index.js';
import { encodeArgument, encodeVariable, type SubstitutionContext } from './encode.js';
import { JsonStringTracker } from './json-position.js';
import type { VariableSource } from './source.js';

/** What a call itself lends to a text; `CallScope` has it. */
export interface CallValues {
  readonly request_id: string;
}

// `${request_id}` is the guide's own example of a request tracking header.
const callVariables: ReadonlySet<string> = new Set<keyof CallValues>(['request_id']);

/** A text with its variables already in place and its arguments still open. */
export interface CompiledText {
  /** Names of the arguments that the text uses. */
  readonly arguments: ReadonlySet<string>;
  /** The text when nothing of it depends on a call; undefined otherwise. */
  readonly constant: string | undefined;
  /** The constant text before the first argument: what a rendered text always begins with. */
  readonly prefix: string;
  /**
   * Puts the arguments in. One pass: a value that looks like `${OTHER}` or `{other}` stays text. Returns undefined when
   * an argument that it uses is absent, or `call` is and it uses a value of the call. Throws GatehouseError
   * `invalid_input` for a value that the context refuses.
   */
  render(args: Arguments, call?: CallValues): string | undefined;
}

/** Where a template's text stands, for findings. */
export interface TextPlace {
  readonly file: string;
  readonly pointer: string;
}

export interface CompileOptions extends TextPlace {
  readonly context: SubstitutionContext;
  readonly inputs: JsonSchema;
  readonly variables: VariableSource;
}

interface ArgumentSegment {
  readonly argument: string;
  readonly context: SubstitutionContext;
}
type Segment = { readonly text: string } | ArgumentSegment | { readonly call: 'request_id' };

// In this order: `$${NAME}` is the text `${NAME}`, `$$` the text `$`; `${…}` a variable, or an argument where it names
// an input; `{…}` an argument.
const placeholder = /\$\$(\{[^{}]*\})?|\$\{([^{}]*)\}|\{([^{}"$\s]+)\}/g;
const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Splits a template text into constant parts and arguments, and puts the variables in. Throws LoadError for a missing
 * or unsafe variable, for a placeholder that names no input, and for a name that is both an input and a variable.
 */
export function compileText(text: string, options: CompileOptions): CompiledText {
  const segments = parseSegments(text, options);
  const used = new Set(segments.flatMap((segment) => ('argument' in segment ? [segment.argument] : [])));
  const first = segments[0];
  const prefix = first && 'text' in first ? first.text : '';
  const constant = segments.length === 0 || (segments.length === 1 && first && 'text' in first) ? prefix : undefined;
  if (options.context === 'header') refuseControls(segments, options);
  return {
    arguments: used,
    constant,
    prefix,
    render: (args, call) => constant ?? renderSegments(segments, args, call),
  };
}

/**
 * Puts the variables into a text that no argument may reach (credentials, origins); a single brace is text here.
 * Throws LoadError as `compileText` does.
 */
export function substituteVariables(text: string, options: Omit<CompileOptions, 'inputs'>): string {
  return text.replace(placeholder, (whole, escaped, name) => {
    if (name !== undefined) return loadVariable(name, options);
    return whole.startsWith('$$') ? `$${escaped ?? ''}` : whole;
  });
}

/** The names of a schema's top-level properties. */
export function inputNames(inputs: JsonSchema): ReadonlySet<string> {
  return new Set(isJsonObject(inputs.properties) ? Object.keys(inputs.properties) : []);
}

function parseSegments(text: string, options: CompileOptions): readonly Segment[] {
  const parser = new SegmentParser(options);
  let end = 0;
  for (const match of text.matchAll(placeholder)) {
    parser.addText(text.slice(end, match.index));
    end = match.index + match[0].length;
    parser.addPlaceholder(match);
  }
  parser.addText(text.slice(end));
  return parser.finish();
}

class SegmentParser {
  readonly #segments: Segment[] = [];
  readonly #inputs: ReadonlySet<string>;
  readonly #json: JsonStringTracker | undefined;
  #text = '';

  constructor(readonly options: CompileOptions) {
    this.#inputs = inputNames(options.inputs);
    this.#json = options.context === 'json' ? new JsonStringTracker(options) : undefined;
  }

  addText(text: string): void {
    this.#json?.read(text);
    this.#text += text;
  }

  addPlaceholder([whole, escaped, dollar, brace]: RegExpExecArray): void {
    const name = dollar ?? brace;
    if (name === undefined) this.addText(`$${escaped ?? ''}`);
    else if (this.#inputs.has(name)) this.#addArgument(name, dollar !== undefined);
    else if (brace !== undefined) this.#addBrace(name, whole);
    else if (callVariables.has(name)) this.#add({ call: 'request_id' });
    else this.#text += loadVariable(name, { ...this.options, context: this.#contextHere() });
  }

  finish(): readonly Segment[] {
    this.#flush();
    this.#json?.finish();
    return this.#segments;
  }

  #addArgument(name: string, isDollar: boolean): void {
    const { variables } = this.options;
    if (variables.has(name) || (isDollar && variables.allows(name))) throw ambiguous(name, this.options);
    this.#add({ argument: name, context: this.#contextHere() });
  }

  // Braces with no name between them are text where text has braces: JSON, or a header of it.
  #addBrace(name: string, whole: string): void {
    if (identifier.test(name) || this.options.context.startsWith('url')) throw undeclared(name, this.options);
    this.addText(whole);
  }

  #contextHere(): SubstitutionContext {
    return this.#json ? this.#json.placeholderContext() : this.options.context;
  }

  #add(segment: Segment): void {
    this.#flush();
    this.#segments.push(segment);
  }

  #flush(): void {
    if (this.#text !== '') this.#segments.push({ text: this.#text });
    this.#text = '';
  }
}

// The source knows the name and the problem, the template where it stands.
function loadVariable(name: string, options: Omit<CompileOptions, 'inputs'>): string {
  if (!identifier.test(name)) {
    throw LoadError.of({
      rule: 'placeholder-malformed',
      file: options.file,
      pointer: options.pointer,
      message: `\${${name}} is no placeholder: ${name || 'nothing'} is no name.`,
      mend: 'Write letters, digits and _ between the braces, or $$ for a dollar sign.',
    });
  }
  try {
    return encodeVariable(name, options.variables.load(name), options);
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    throw new LoadError(
      error.findings.map((finding) => ({ ...finding, file: options.file, pointer: options.pointer })),
    );
  }
}

function renderSegments(
  segments: readonly Segment[],
  args: Arguments,
  call: CallValues | undefined,
): string | undefined {
  let rendered = '';
  for (const segment of segments) {
    if ('text' in segment) {
      rendered += segment.text;
    } else if ('call' in segment) {
      if (call === undefined) return undefined;
      rendered += call[segment.call];
    } else {
      const value = Object.hasOwn(args, segment.argument) ? args[segment.argument] : undefined;
      if (value === undefined) return undefined;
      rendered += encodeArgument(segment.argument, value, segment.context);
    }
  }
  return rendered;
}

function refuseControls(segments: readonly Segment[], place: TextPlace): void {
  const unsafe = (segment: Segment) => 'text' in segment && /[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/.test(segment.text);
  if (!segments.some(unsafe)) return;
  throw LoadError.of({
    rule: 'header-unsafe',
    file: place.file,
    pointer: place.pointer,
    message: 'A header value holds a character that a header cannot carry.',
    mend: 'Remove control characters and characters beyond Latin-1.',
  });
}

function ambiguous(name: string, place: TextPlace): LoadError {
  return LoadError.of({
    rule: 'placeholder-ambiguous',
    file: place.file,
    pointer: place.pointer,
    message: `${name} is both an input of the tool and a variable.`,
    mend: 'Rename the input or the variable.',
  });
}

function undeclared(name: string, place: TextPlace): LoadError {
  return LoadError.of({
    rule: 'placeholder-undeclared',
    file: place.file,
    pointer: place.pointer,
    message: `{${name}} names no input of the tool.`,
    mend: `Declare ${name} under inputs.properties (${toPointer(name)}), or write \${${name}} for a variable.`,
  });
}
