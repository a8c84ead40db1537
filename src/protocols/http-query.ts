import type { Arguments, Json, JsonSchema } from '../core/index.js';
import { LoadError } from '../core/index.js';
import {
  type CompiledText,
  type CompileOptions,
  compileText,
  encodeArgument,
  inputNames,
  refuseArgument,
} from '../variables/index.js';
import type { ToolBinding } from './protocol.js';

/**
 * The query of a template: the authored pairs, the credential's, and every argument that has no other place. What the
 * template or the credential says is not for a caller to say again: an upstream may take the last of two.
 */
export class QueryPlan {
  /** What `render` gives when no argument comes here. */
  readonly constant: string;
  readonly #constantPairs: string;
  readonly #open: readonly CompiledText[];
  readonly #fixed: ReadonlySet<string>;
  readonly #takesRest: boolean;
  /** Names of the arguments that authored pairs use. */
  readonly arguments: ReadonlySet<string>;

  /** `authored` is the text behind the URL's `?`; `takesRest` says whether unplaced arguments come here. Throws LoadError. */
  constructor(
    authored: string,
    credential: readonly [string, string] | undefined,
    binding: ToolBinding,
    takesRest = true,
  ) {
    this.#takesRest = takesRest;
    const place = { file: binding.file, pointer: `${binding.pointer}/url` };
    const options = { ...place, context: 'url_query', inputs: binding.inputs, variables: binding.variables } as const;
    const pairs = authored.split('&').filter((pair) => pair !== '');
    const compiled = pairs.map((pair) => compileText(pair, options));
    const names = pairs.map((pair) => readName(pair, options));
    const constants = compiled.flatMap((pair) => (pair.constant === undefined ? [] : [pair.constant]));
    if (credential) constants.push(credential.map((part) => encodeURIComponent(part)).join('='));
    this.#constantPairs = constants.join('&');
    this.constant = toQuery(this.#constantPairs);
    this.#open = compiled.filter((pair) => pair.constant === undefined);
    this.#fixed = new Set([...names, ...(credential ? [credential[0]] : [])].map((name) => name.toLowerCase()));
    this.arguments = new Set(compiled.flatMap((pair) => [...pair.arguments]));
  }

  /** Throws LoadError when a declared input without another place has a name that the query fixes. */
  checkInputs(inputs: JsonSchema, placed: ReadonlySet<string>, binding: ToolBinding): void {
    for (const name of this.#takesRest ? inputNames(inputs) : []) {
      if (placed.has(name) || !this.#isFixed(name)) continue;
      throw LoadError.of({
        rule: 'query-parameter-fixed',
        file: binding.file,
        pointer: `${binding.pointer}/url`,
        message: `${name} is an input, and a query parameter that the template sets itself.`,
        mend: `Rename the input, or write ${name}={${name}} in the URL.`,
      });
    }
  }

  // Many upstreams know no letter case in names, and take `a[]`, `a[0]` and `a[x]` for another word on `a`.
  #isFixed(name: string): boolean {
    const lower = name.toLowerCase();
    if (this.#fixed.has(lower)) return true;
    const bracket = lower.indexOf('[');
    if (bracket < 0) return false;
    return this.#fixed.has(lower.slice(0, bracket)) || this.#fixed.has(lower.replace(/\[\d*\]$/, ''));
  }

  /** The query with its `?`, or nothing. `placed` names the arguments that stand elsewhere. */
  render(args: Arguments, placed: ReadonlySet<string>): string {
    let query = this.#constantPairs;
    for (const pair of this.#open) {
      const text = pair.render(args);
      if (text !== undefined) query = query === '' ? text : `${query}&${text}`;
    }
    for (const name of this.#takesRest ? Object.keys(args) : []) {
      if (placed.has(name)) continue;
      if (this.#isFixed(name)) throw refuseArgument(name, 'has the name of a parameter that the tool sets itself');
      query = appendPairs(query, name, args[name] ?? null);
    }
    return toQuery(query);
  }
}

function toQuery(pairs: string): string {
  return pairs === '' ? '' : `?${pairs}`;
}

function readName(pair: string, options: CompileOptions): string {
  const name = compileText(pair.split('=', 1)[0] ?? '', options).constant;
  if (name === undefined) {
    throw LoadError.of({
      rule: 'query-name-open',
      file: options.file,
      pointer: options.pointer,
      message: 'An argument stands in the name of a query parameter.',
      mend: 'Write the name out.',
    });
  }
  try {
    return decodeURIComponent(name.replaceAll('+', ' '));
  } catch {
    // Not percent-encoded as RFC 3986 has it; an upstream reads it as it stands.
    return name;
  }
}

/** Appends an argument to a query or form text: a list as a pair for each item, null and empty lists not at all. */
export function appendPairs(query: string, name: string, value: Json): string {
  if (value === null) return query;
  if (!Array.isArray(value)) return joinPair(query, name, value);
  let extended = query;
  for (const item of value) if (item !== null) extended = joinPair(extended, name, item);
  return extended;
}

function joinPair(query: string, name: string, value: Json): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : value;
  const pair = `${encodeArgument(name, name, 'url_query')}=${encodeArgument(name, text, 'url_query')}`;
  return query === '' ? pair : `${query}&${pair}`;
}
