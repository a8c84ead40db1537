import {
  type Arguments,
  GatehouseError,
  type InputError,
  type Json,
  type JsonSchema,
  type PreparedCall,
  type Tool,
} from '../core/index.js';
import type { Breaker } from '../limits/index.js';
import { type ArgumentForm, chooseForm } from '../manual/index.js';
import { createSanitizer, type Sanitizer, type SchemaCompiler, type Validator } from '../schema/index.js';
import { type Coercion, coerceQuery, createCoercions } from './query.js';

/** What the runtimes of all tools of one manual and one upstream have in common. */
export interface ToolParts {
  readonly upstream: string;
  readonly breaker: Breaker;
  readonly compiler: SchemaCompiler;
  /** Binds the tool, as it was bound when it was loaded. */
  readonly bind: (tool: Tool) => PreparedCall;
}

/**
 * A tool as the pipeline needs it. What its load has shown to be possible is done when it is first needed: the form of
 * its arguments, its schemas' code and, of many tools, the binding to its upstream.
 */
export class ToolRuntime {
  readonly #parts: ToolParts;
  #prepared: PreparedCall | undefined;
  #form: ArgumentForm | undefined;
  /** Null once it is known that answers are not checked. */
  #outputs: JsonSchema | null | undefined;
  #inputs: { readonly sanitize: Sanitizer | undefined; readonly validate: Validator } | undefined;
  #outputValidator: Validator | undefined;
  #coercions: ReadonlyMap<string, Coercion> | undefined;

  constructor(
    readonly tool: Tool,
    /** Absent for a `direct` tool, which is called at its provider, and for one that is bound when it is first called. */
    prepared: PreparedCall | undefined,
    parts: ToolParts,
  ) {
    this.#prepared = prepared;
    this.#parts = parts;
  }

  /** What the tool calls. */
  get upstream(): string {
    return this.#parts.upstream;
  }

  /** The breaker of all calls to its upstream. */
  get breaker(): Breaker {
    return this.#parts.breaker;
  }

  /** Undefined for a `direct` tool: it is called at its provider, not here. */
  get prepared(): PreparedCall | undefined {
    if (this.#prepared === undefined && this.tool.expose !== 'direct') this.#prepared = this.#parts.bind(this.tool);
    return this.#prepared;
  }

  get form(): ArgumentForm {
    this.#form ??= chooseForm(this.tool);
    return this.#form;
  }

  /** Compiles now what the first call would have to wait for. */
  prepareInputs(): void {
    this.#compileInputs();
    this.#coercions ??= createCoercions(this.tool.inputs);
  }

  #compileInputs(): { readonly sanitize: Sanitizer | undefined; readonly validate: Validator } {
    if (this.#inputs === undefined) {
      const { inputs } = this.tool;
      this.#inputs = { sanitize: createSanitizer(inputs), validate: this.#parts.compiler.compile(inputs) };
    }
    return this.#inputs;
  }

  /** Whether answers are checked; where they are not, an upstream's bytes pass without being parsed. */
  get checks_outputs(): boolean {
    return this.#checkedOutputs !== null;
  }

  get #checkedOutputs(): JsonSchema | null {
    if (this.#outputs === undefined) this.#outputs = findCheckedOutputs(this.tool);
    return this.#outputs;
  }

  /** The sanitized arguments. Throws GatehouseError `invalid_input` with every pointer that does not fit. */
  validate(args: Arguments): Arguments {
    const { sanitize, validate } = this.#compileInputs();
    const clean = sanitize ? sanitize(args) : args;
    const errors = validate(clean);
    if (errors) throw invalidInput(errors);
    return clean;
  }

  /** Throws GatehouseError `upstream_invalid` when the answer is outside the tool's outputs schema. */
  validateOutput(body: string | Buffer): void {
    const outputs = this.#checkedOutputs;
    if (!outputs) return;
    this.#outputValidator ??= this.#parts.compiler.compile(outputs);
    let answer: unknown;
    try {
      answer = JSON.parse(body.toString());
    } catch (cause) {
      throw new GatehouseError('upstream_invalid', {
        detail: 'The upstream answered something that is not JSON.',
        cause,
      });
    }
    if (this.#outputValidator(answer)) {
      throw new GatehouseError('upstream_invalid', {
        detail: "The upstream answered outside the tool's outputs schema.",
      });
    }
  }

  /** Arguments of a query string, coerced by the inputs schema: a query has no types of its own. */
  parseQuery(query: string): Record<string, Json> {
    this.#coercions ??= createCoercions(this.tool.inputs);
    return coerceQuery(query, this.#coercions);
  }
}

/** A 400 that names every argument that does not fit. */
export function invalidInput(errors: readonly InputError[]): GatehouseError {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const detail = first
    ? `${first.pointer || 'The arguments object'} ${first.message}${more}.`
    : 'The arguments do not fit.';
  return new GatehouseError('invalid_input', { detail, errors });
}

// What a stream's outputs say may be of one event; only a schema of an array is surely of the collected result.
function findCheckedOutputs({ outputs, template, settings }: Tool): JsonSchema | null {
  if (!settings.validate_outputs || !outputs) return null;
  const { call_template_type: type } = template;
  if ((type === 'sse' || type === 'streamable_http') && outputs.type !== 'array') return null;
  const annotations = ['description', 'title', '$schema', 'examples'];
  return Object.keys(outputs).every((keyword) => annotations.includes(keyword)) ? null : outputs;
}
