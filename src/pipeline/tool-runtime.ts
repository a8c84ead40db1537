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

/** A tool as the pipeline needs it: its upstream bound, its form chosen, its schemas compiled when first used. */
export class ToolRuntime {
  readonly form: ArgumentForm;
  readonly #compiler: SchemaCompiler;
  readonly #outputs: JsonSchema | undefined;
  #inputs: { readonly sanitize: Sanitizer | undefined; readonly validate: Validator } | undefined;
  #outputValidator: Validator | undefined;
  #coercions: ReadonlyMap<string, Coercion> | undefined;

  constructor(
    readonly tool: Tool,
    /** Undefined for a `direct` tool: it is called at its provider, not here. */
    readonly prepared: PreparedCall | undefined,
    compiler: SchemaCompiler,
    /** What the tool calls, and the breaker of all calls to it. */
    readonly upstream: string,
    readonly breaker: Breaker,
  ) {
    this.form = chooseForm(tool);
    this.#compiler = compiler;
    this.#outputs = tool.settings.validate_outputs && describesResult(tool) ? tool.outputs : undefined;
  }

  /** Compiles now what the first call would have to wait for. */
  prepareInputs(): void {
    this.#compileInputs();
    this.#coercions ??= createCoercions(this.tool.inputs);
  }

  #compileInputs(): { readonly sanitize: Sanitizer | undefined; readonly validate: Validator } {
    const { inputs } = this.tool;
    this.#inputs ??= { sanitize: createSanitizer(inputs), validate: this.#compiler.compile(inputs) };
    return this.#inputs;
  }

  /** Whether answers are checked; where they are not, an upstream's bytes pass without being parsed. */
  get checks_outputs(): boolean {
    return this.#outputs !== undefined;
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
    if (!this.#outputs) return;
    this.#outputValidator ??= this.#compiler.compile(this.#outputs);
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
function describesResult({ outputs, template }: Tool): boolean {
  if (!outputs) return false;
  const { call_template_type: type } = template;
  if ((type === 'sse' || type === 'streamable_http') && outputs.type !== 'array') return false;
  return Object.keys(outputs).some((keyword) => !['description', 'title', '$schema', 'examples'].includes(keyword));
}
