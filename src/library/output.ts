import { z } from 'zod';
import { GatehouseError, type InputError, type JsonSchema, toPointer } from '../core/index.js';
import { createSchemaCompiler, type Validator } from '../schema/index.js';

/** One stands behind all tools of the program; its Ajv is made when the first result is checked. */
const compiler = createSchemaCompiler();

/**
 * Checks results and gives them back as they are: against the published schema, which is closed, then against what zod
 * says beyond it. Throws GatehouseError `upstream_invalid`, with what does not fit for the operator alone.
 */
export function createOutputCheck(
  outputs: z.ZodType | undefined,
  schema: JsonSchema | undefined,
): (result: unknown) => unknown {
  if (!outputs || !schema) return (result) => result;
  const compiled = z.compile(outputs);
  let validate: Validator | undefined;
  return (result) => {
    validate ??= compiler.compile(schema);
    refuse(validate(result));
    const parsed = compiled.safeParse(result);
    if (!parsed.success) refuse(describeIssues(parsed.error));
    return result;
  };
}

function refuse(problems: readonly InputError[] | undefined): void {
  if (!problems) return;
  const [first] = problems;
  throw new GatehouseError('upstream_invalid', {
    detail: 'The tool answered outside its outputs schema.',
    internal: `its result does not fit outputs: ${first?.pointer || 'the result'} ${first?.message}`,
  });
}

/** What zod refused, by JSON pointer. */
export function describeIssues({ issues }: z.ZodError): readonly InputError[] {
  return issues.map(({ path, message }) => ({
    pointer: toPointer(...path.map((token) => (typeof token === 'symbol' ? token.toString() : token))),
    message,
  }));
}
