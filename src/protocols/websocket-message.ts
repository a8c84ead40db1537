import { type Arguments, GatehouseError, isJsonObject, type Json, toPointer } from '../core/index.js';
import { type CallValues, type CompileOptions, compileText } from '../variables/index.js';

/** The message that a call sends, with its variables in place and its arguments still open. */
export interface CompiledMessage {
  /** Names of the arguments that the message uses. */
  readonly arguments: ReadonlySet<string>;
  /** The message's text. Throws GatehouseError `invalid_input` when an argument that it can't do without is absent. */
  render(args: Arguments, call: CallValues): string;
}

type Node = (args: Arguments, call: CallValues) => Json | undefined;
type MessageOptions = Omit<CompileOptions, 'context'>;

// UTCP's own way to write a placeholder in a message.
const utcpPlaceholder = /UTCP_ARG_(.+?)_UTCP_ARG/g;
const wholePlaceholder = /^\$?\{([^{}]+)\}$/;
const looksLikeJson = /^\s*(\{\s*["}]|\[)/;

/**
 * Compiles the `message` of a template. In a JSON message (an object, an array, or a text that is one) a string that is
 * nothing but one placeholder becomes the argument itself, with its type, and an argument inside a longer string stays
 * inside that string: no argument can add a member or end a string. Throws LoadError.
 */
export function compileMessage(message: Json, options: MessageOptions): CompiledMessage {
  if (typeof message !== 'string') return compileStructure(message, options);
  const text = normalisePlaceholders(message);
  if (!looksLikeJson.test(text)) return compileMessageText(text, { ...options, context: 'plain' });
  const structure = parseJson(text);
  // With placeholders where values stand it is no JSON yet; the context checks that it will be.
  if (structure === undefined) return compileMessageText(text, { ...options, context: 'json' });
  return compileStructure(structure, options);
}

function parseJson(text: string): Json | undefined {
  try {
    const parsed: Json = JSON.parse(text);
    return parsed;
  } catch {
    // That it does not parse is the answer.
    return undefined;
  }
}

function compileMessageText(text: string, options: CompileOptions): CompiledMessage {
  const compiled = compileText(text, options);
  return {
    arguments: compiled.arguments,
    render(args, call) {
      const rendered = compiled.render(args, call);
      if (rendered !== undefined) return rendered;
      throw missing([...compiled.arguments].filter((name) => args[name] === undefined));
    },
  };
}

function missing(names: readonly string[]): GatehouseError {
  return new GatehouseError('invalid_input', {
    detail: 'An argument that the message is made of is missing.',
    errors: names.map((name) => ({ pointer: toPointer(name), message: 'is missing' })),
  });
}

function normalisePlaceholders(text: string): string {
  return text.replace(utcpPlaceholder, '{$1}');
}

function compileStructure(structure: Json, options: MessageOptions): CompiledMessage {
  const used = new Set<string>();
  const root = compileNode(structure, options, used);
  return { arguments: used, render: (args, call) => JSON.stringify(root(args, call) ?? null) };
}

function compileNode(node: Json, options: MessageOptions, used: Set<string>): Node {
  if (typeof node === 'string') return compileLeaf(node, options, used);
  if (isJsonObject(node)) return compileMembers(node, options, used);
  if (typeof node !== 'object' || node === null) return () => node;
  const items = node.map((item, index) => compileNode(item, inside(options, index), used));
  return (args, call) => items.map((item) => item(args, call)).filter((item) => item !== undefined);
}

// A member whose argument is absent is left out.
function compileMembers(node: { readonly [member: string]: Json }, options: MessageOptions, used: Set<string>): Node {
  const members = Object.entries(node).map(
    ([name, value]) => [name, compileNode(value, inside(options, name), used)] as const,
  );
  return (args, call) => {
    const rendered: [string, Json][] = [];
    for (const [name, value] of members) {
      const item = value(args, call);
      if (item !== undefined) rendered.push([name, item]);
    }
    return Object.fromEntries(rendered);
  };
}

function compileLeaf(text: string, options: MessageOptions, used: Set<string>): Node {
  const normal = normalisePlaceholders(text);
  const compiled = compileText(normal, { ...options, context: 'plain' });
  for (const name of compiled.arguments) used.add(name);
  const { constant } = compiled;
  if (constant !== undefined) return () => constant;
  const whole = wholePlaceholder.exec(normal)?.[1];
  if (whole !== undefined && compiled.arguments.has(whole)) {
    return (args) => (Object.hasOwn(args, whole) ? args[whole] : undefined);
  }
  return (args, call) => compiled.render(args, call);
}

function inside(options: MessageOptions, step: string | number): MessageOptions {
  return { ...options, pointer: options.pointer + toPointer(step) };
}
