import type { Ajv, ValidateFunction } from 'ajv';
import { type InputError, type JsonSchema, LoadError } from '../core/index.js';
import { chooseDialect, createAjv, type Dialect, metaSchemas } from './dialect.js';
import { countValues, maxDepth } from './measure.js';
import { compilePattern } from './pattern.js';
import { describeErrors } from './problem.js';
import { describeBadSanitizer } from './sanitizer.js';
import { readStructure, resolvesWithin, type SchemaStructure } from './structure.js';

/** Judges one value: undefined when it fits, else what does not, by JSON pointer. Never throws, never changes the value. */
export type Validator = (value: unknown) => readonly InputError[] | undefined;

/** Makes validators of schemas; one stands behind all tools of a server or a client. */
export interface SchemaCompiler {
  /**
   * Says what is wrong with a schema, or undefined: it must fit its meta-schema, its patterns must compile and its
   * references lead to a schema within it. No code is generated (unless it uses `$id`), so a thousand tools cost little.
   */
  check(schema: JsonSchema): string | undefined;
  /** Generates the validator of a schema. Throws LoadError for what `check` speaks against. */
  compile(schema: JsonSchema): Validator;
}

/**
 * Validators that one Ajv makes. It keeps the code and names of each for its own life, long after a reload has let go of
 * them; a new one now and then keeps a server that reloads for years from growing.
 */
const maxValidatorsOfOneAjv = 128;

/** Values up to this many are told all their errors; beyond it the first, since each error costs memory. */
const maxValuesWithAllErrors = 10_000;

/**
 * A compiler with its own Ajv for each dialect, made when first needed (30 ms each). Nothing is coerced, stripped or
 * filled in; patterns, formats and `uniqueItems` take linear time; no reference is ever fetched.
 */
export function createSchemaCompiler(): SchemaCompiler {
  return new AjvCompiler();
}

interface Checked {
  readonly dialect: Dialect;
  /** A `$id` registers itself in its Ajv, where another tool's reference would find it: such a schema gets its own. */
  readonly identified: boolean;
}

interface SharedAjv {
  readonly ajv: Ajv;
  /** Validators that it has made. */
  made: number;
}

class AjvCompiler implements SchemaCompiler {
  readonly #shared = new Map<string, SharedAjv>();
  readonly #checked = new WeakMap<JsonSchema, Checked>();

  check(schema: JsonSchema): string | undefined {
    const structure = readStructure(schema);
    if (structure.problem !== undefined) return structure.problem;
    const dialect = chooseDialect(schema, structure.usesOldKeywords);
    if (!dialect) return '/$schema: is not draft-07, 2019-09 or 2020-12.';
    const misfit =
      describeMisfit(this.#ajv(dialect, false).ajv, dialect, schema) ??
      describeBadPattern(structure) ??
      describeBadSanitizer(schema, structure);
    if (misfit !== undefined) return misfit;
    const checked = { dialect, identified: structure.identified };
    const problem = structure.identified
      ? this.#describeFailure(schema, checked)
      : describeLostReference(schema, structure);
    if (problem === undefined) this.#checked.set(schema, checked);
    return problem;
  }

  compile(schema: JsonSchema): Validator {
    const problem = this.#checked.has(schema) ? undefined : this.check(schema);
    const checked = this.#checked.get(schema);
    if (problem !== undefined || !checked) throw unusable(problem ?? 'it cannot be compiled.');
    const thorough = this.#generate(schema, checked, true);
    let brief: ValidateFunction | undefined;
    return (value) => {
      const count = countValues(value);
      if (count === Number.POSITIVE_INFINITY) return tooDeep;
      if (count <= maxValuesWithAllErrors) return judge(thorough, value);
      brief ??= this.#generate(schema, checked, false);
      return judge(brief, value);
    };
  }

  #ajv(dialect: Dialect, allErrors: boolean): SharedAjv {
    const key = `${dialect} ${allErrors}`;
    let shared = this.#shared.get(key);
    if (!shared || shared.made >= maxValidatorsOfOneAjv) {
      shared = { ajv: createAjv(dialect, allErrors), made: 0 };
      this.#shared.set(key, shared);
    }
    return shared;
  }

  #generate(schema: JsonSchema, { dialect, identified }: Checked, allErrors: boolean): ValidateFunction {
    const maker = identified ? { ajv: createAjv(dialect, allErrors), made: 0 } : this.#ajv(dialect, allErrors);
    try {
      maker.made++;
      return maker.ajv.compile(schema);
    } catch (error) {
      throw unusable(describeThrown(error));
    }
  }

  #describeFailure(schema: JsonSchema, checked: Checked): string | undefined {
    try {
      this.#generate(schema, checked, true);
      return undefined;
    } catch (error) {
      return describeThrown(error);
    }
  }
}

const tooDeep: readonly InputError[] = [{ pointer: '', message: `is nested deeper than ${maxDepth} levels` }];
const endless: readonly InputError[] = [{ pointer: '', message: 'cannot be judged: the schema refers to itself' }];

function judge(validate: ValidateFunction, value: unknown): readonly InputError[] | undefined {
  try {
    return validate(value) === true ? undefined : describeErrors(validate.errors ?? []);
  } catch (error) {
    // `{"$ref": "#"}` alone calls itself until the stack ends; the value is refused.
    if (error instanceof RangeError) return endless;
    throw error;
  }
}

function describeMisfit(ajv: Ajv, dialect: Dialect, schema: JsonSchema): string | undefined {
  try {
    if (ajv.validate(metaSchemas[dialect], schema) === true) return undefined;
  } catch (error) {
    if (error instanceof RangeError) return ': the schema object contains itself; write a $ref.';
    throw error;
  }
  const [error] = describeErrors(ajv.errors ?? []);
  return error ? `${error.pointer}: ${error.message}.` : ': does not fit its meta-schema.';
}

function describeBadPattern({ patterns }: SchemaStructure): string | undefined {
  for (const [source, pointer] of patterns) {
    try {
      compilePattern(source);
    } catch (error) {
      return `${pointer}: cannot run in linear time (${describeThrown(error)}); write it without look-around and back-references.`;
    }
  }
  return undefined;
}

function describeLostReference(schema: JsonSchema, { references, anchors }: SchemaStructure): string | undefined {
  for (const [reference, pointer] of references) {
    if (resolvesWithin(schema, reference, anchors)) continue;
    return `${pointer}: leads to no schema within this one, and nothing is fetched.`;
  }
  return undefined;
}

function describeThrown(error: unknown): string {
  return error instanceof Error ? error.message : 'it cannot be compiled';
}

function unusable(problem: string): LoadError {
  return LoadError.of({
    rule: 'schema-unusable',
    pointer: '',
    message: `The schema cannot be used: ${problem}`,
    mend: 'Write a JSON Schema of draft-07 or 2020-12 whose references stay within it.',
  });
}
