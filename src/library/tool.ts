import { z } from 'zod';
import {
  type Arguments,
  GatehouseError,
  type InputError,
  isPromiseLike,
  LoadError,
  type LocalContext,
  type LocalTool,
  toPointer,
} from '../core/index.js';
import { checkDefinition } from './definition.js';
import { createOutputCheck, describeIssues } from './output.js';
import { convertSchema } from './schema.js';

/** What `defineTool` is told. */
export interface ToolDefinition<Inputs extends z.ZodObject, Outputs extends z.ZodType = z.ZodUnknown> {
  /** The manual that the tool stands in; one that the configuration does not name. Letters, digits and `_`. */
  readonly manual: string;
  /** Letters, digits and `_`; unique among all tools of the server. */
  readonly name: string;
  /** For the agent that has to choose: what it does, and when to use it. */
  readonly description: string;
  /** The arguments. Objects are closed: an argument that is not declared is refused, never stripped. */
  readonly inputs: Inputs;
  /** The result, as it is served. A result outside it is refused with 502. Any JSON when absent. */
  readonly outputs?: Outputs;
  readonly tags?: readonly string[];
  /** Scopes that a token needs beside `tools:execute`. */
  readonly required_scopes?: readonly string[];
  /** Whether calling it changes nothing: it is published as GET where its arguments are strings and numbers. */
  readonly read_only?: boolean;
  /** Whole milliseconds for one call; 30,000 unless told. */
  readonly timeout_ms?: number;
  /** Names of the arguments whose values the security event may show; none unless told. */
  readonly log_arguments?: readonly string[];
  /**
   * Runs the tool. Throw GatehouseError to refuse in words of your own (`invalid_input`, `upstream_unavailable`, …);
   * whatever else it throws is answered 502 without a word of it, and reported to the operator.
   */
  handler(args: z.output<Inputs>, context: LocalContext): z.output<Outputs> | Promise<z.output<Outputs>>;
}

/**
 * Defines a tool of this program, to be served beside configured manuals. Its handler gets arguments that fit the
 * inputs, typed as zod gives them (defaults filled in, transforms done), and gives a result that fits the outputs.
 * Throws LoadError for names that no client takes and schemas that JSON Schema can't say.
 *
 * @example
 * const greet = defineTool({
 *   manual: 'office',
 *   name: 'greet',
 *   description: 'Greets a person by name.',
 *   inputs: z.object({ name: z.string().min(1).max(100) }),
 *   outputs: z.object({ greeting: z.string() }),
 *   handler: ({ name }) => ({ greeting: `Hello, ${name}.` }),
 * });
 */
export function defineTool<Inputs extends z.ZodObject, Outputs extends z.ZodType = z.ZodUnknown>(
  definition: ToolDefinition<Inputs, Outputs>,
): LocalTool {
  const {
    manual,
    name,
    inputs,
    outputs,
    tags = [],
    read_only = false,
    required_scopes,
    timeout_ms,
    log_arguments,
  } = definition;
  const at = toPointer(manual, name);
  const taken = convertSchema(inputs, 'inputs', `${at}/inputs`);
  const given = outputs && convertSchema(outputs, 'outputs', `${at}/outputs`);
  const check = createOutputCheck(outputs, given?.schema);
  const findings = [...checkDefinition(definition), ...taken.findings, ...(given?.findings ?? [])];
  if (findings.length > 0) throw new LoadError(findings);
  // What fits takes a generated path; what does not takes zod's own, which says what is wrong.
  const compiled = { ...definition, inputs: z.compile(inputs) };
  return {
    manual,
    name,
    description: definition.description,
    inputs: taken.schema,
    ...(given && { outputs: given.schema }),
    tags,
    read_only,
    settings: {
      ...(required_scopes && { required_scopes }),
      ...(timeout_ms !== undefined && { timeout_ms }),
      ...(log_arguments && { log_arguments }),
    },
    run: (args, context) => run(compiled, check, args, context),
  };
}

function run<Inputs extends z.ZodObject, Outputs extends z.ZodType>(
  { inputs, handler }: ToolDefinition<Inputs, Outputs>,
  check: (result: unknown) => unknown,
  args: Arguments,
  context: LocalContext,
): unknown {
  const parsed = inputs.safeParse(args);
  if (!parsed.success) throw refuseArguments(describeIssues(parsed.error));
  const result = handler(parsed.data, context);
  return isPromiseLike(result) ? result.then(check) : check(result);
}

// What zod says beyond JSON Schema: the pipeline has checked the arguments against the published schema.
function refuseArguments(errors: readonly InputError[]): GatehouseError {
  const [first] = errors;
  const detail = `${first?.pointer || 'The arguments object'}: ${first?.message}.`;
  return new GatehouseError('invalid_input', { detail, errors });
}
