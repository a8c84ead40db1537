import { z } from 'zod';
import { type Finding, isJsonObject, type Json, type JsonSchema } from '../core/index.js';
import { normalizeSchema } from '../manual/index.js';
import { compilePattern } from '../schema/index.js';

/** A zod schema as JSON Schema, with what keeps it from being published. */
export interface ConvertedSchema {
  readonly schema: JsonSchema;
  readonly findings: readonly Finding[];
}

/**
 * Writes a zod schema as the JSON Schema that the manual publishes and every call is checked against, in the form that
 * all official clients accept. Objects are closed, since zod would strip what it does not know. `inputs` states what a
 * caller sends; `outputs` what is served, where nothing may change a value on its way.
 */
export function convertSchema(source: z.ZodType, part: 'inputs' | 'outputs', pointer: string): ConvertedSchema {
  const findings: Finding[] = [];
  const report = (problem: string, mend: string) =>
    findings.push({
      rule: 'define-tool-schema',
      severity: 'error',
      file: 'defineTool',
      pointer,
      message: problem,
      mend,
    });
  try {
    const written = z.toJSONSchema(source, {
      io: part === 'inputs' ? 'input' : 'output',
      override({ zodSchema, jsonSchema, path }) {
        const { def } = zodSchema._zod;
        const kind = part === 'outputs' ? unservable.get(def.type) : undefined;
        if (kind)
          report(`${place(path)} ${kind}, and what a handler gives is served as it is.`, 'Do it in the handler.');
        if (def.type === 'intersection')
          report(`${place(path)} is an intersection, which cannot be closed.`, 'Use extend.');
        closeObject(def, jsonSchema);
        dropMetadata(zodSchema, jsonSchema);
        dropPattern(jsonSchema);
      },
    });
    const { $schema: _dialect, ...schema } = normalizeSchema(toJson(written));
    return { schema, findings };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    report(`The ${part} cannot be written as JSON Schema: ${problem}.`, 'Use types that JSON has.');
    return { schema: {}, findings };
  }
}

/** Kinds of zod schema that change a value, by what they do. */
const unservable: ReadonlyMap<string, string> = new Map([
  ['pipe', 'transforms its value'],
  ['transform', 'transforms its value'],
  ['default', 'fills a value in'],
  ['prefault', 'fills a value in'],
  ['catch', 'replaces a value'],
]);

function place(path: readonly (string | number)[]): string {
  const names = path.filter((token) => token !== 'properties' && token !== 'items');
  return names.length === 0 ? 'The schema' : names.join('.');
}

function closeObject(def: z.core.$ZodTypeDef, schema: z.core.JSONSchema.BaseSchema): void {
  if (def.type === 'object' && !('catchall' in def && def.catchall)) schema.additionalProperties = false;
}

const publicMetadata = new Set(['title', 'description', 'examples', 'deprecated']);

// Whatever else a program notes beside a schema was not written for callers.
function dropMetadata(source: z.core.$ZodType, schema: z.core.JSONSchema.BaseSchema): void {
  for (const name of Object.keys(z.globalRegistry.get(source) ?? {})) {
    if (!publicMetadata.has(name)) delete schema[name];
  }
}

// zod repeats a format as a pattern, some of which can't run in linear time; the format says it as well, and zod checks.
function dropPattern(schema: z.core.JSONSchema.BaseSchema): void {
  const { format, pattern } = schema;
  if (format === undefined || pattern === undefined) return;
  try {
    compilePattern(pattern);
  } catch {
    // It does not compile: that is the answer.
    delete schema.pattern;
  }
}

// zod adds members that JSON does not have, for its own use.
function toJson(value: object): Json {
  const json: unknown = JSON.parse(JSON.stringify(value));
  return isJsonObject(json) ? json : {};
}
