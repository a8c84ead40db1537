import { type Arguments, type InputError, isJsonObject, type JsonSchema } from '../core/index.js';
import type { Sanitizer, Validator } from '../schema/index.js';
import { InvalidInputError } from './errors.js';
import type { ServedTool } from './manual.js';
import { describeProblem } from './problem.js';

/**
 * The member that wraps all arguments of a tool (`body` for what Gatehouse publishes as POST), or undefined: it must be
 * the template's `body_field`, the only property of the inputs, required, and an object.
 */
export function findWrapper(tool: ServedTool): string | undefined {
  const field = tool.tool_call_template.body_field;
  const { properties, required } = tool.inputs;
  if (typeof field !== 'string' || !isJsonObject(properties) || !Array.isArray(required)) return undefined;
  const names = Object.keys(properties);
  const inner = properties[field];
  if (names.length !== 1 || names[0] !== field || !required.includes(field) || !isObjectSchema(inner)) return undefined;
  return field;
}

function isObjectSchema(schema: unknown): schema is JsonSchema {
  return (
    isJsonObject(schema) && (schema.type === 'object' || (schema.type === undefined && isJsonObject(schema.properties)))
  );
}

/** What a tool's inputs ask of its arguments: first what they clean, then what they take. */
export interface InputRules {
  readonly sanitize: Sanitizer | undefined;
  readonly validate: Validator;
}

/**
 * The arguments in the published form, cleaned: as given where they fit it, else put into the wrapper. Throws
 * InvalidInputError with every problem, by JSON pointer into what was given.
 */
export function fitArguments(args: Arguments, wrapper: string | undefined, rules: InputRules): Arguments {
  const { sanitize = (value: Arguments) => value, validate } = rules;
  const clean = sanitize(args);
  const problems = validate(clean);
  if (!problems) return clean;
  if (wrapper === undefined) throw invalidInput(problems);
  const wrapped = sanitize({ [wrapper]: args });
  const inner = validate(wrapped);
  if (!inner) return wrapped;
  if (isWrapped(args, wrapper)) throw invalidInput(problems);
  throw invalidInput(inner.map(({ pointer, message }) => ({ pointer: unwrap(pointer, wrapper), message })));
}

function isWrapped(args: Arguments, wrapper: string): boolean {
  return Object.keys(args).length === 1 && isJsonObject(args[wrapper]);
}

function unwrap(pointer: string, wrapper: string): string {
  return pointer.startsWith(`/${wrapper}`) ? pointer.slice(wrapper.length + 1) : pointer;
}

function invalidInput(errors: readonly InputError[]): InvalidInputError {
  return new InvalidInputError(describeProblem({ title: 'Invalid input', errors }), { code: 'invalid_input', errors });
}
