import { Ajv, type Options } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { JsonSchema } from '../core/index.js';
import { addFormats } from './format.js';
import { compilePattern, type Pattern } from './pattern.js';
import { uniqueItems } from './unique.js';

/** The JSON Schema drafts that a manual may be written in. */
export type Dialect = 'draft-07' | '2019-09' | '2020-12';

/** The address of each dialect's meta-schema, as Ajv registers it. */
export const metaSchemas: Readonly<Record<Dialect, string>> = {
  'draft-07': 'http://json-schema.org/draft-07/schema',
  '2019-09': 'https://json-schema.org/draft/2019-09/schema',
  '2020-12': 'https://json-schema.org/draft/2020-12/schema',
};

const dialectsByAddress: ReadonlyMap<string, Dialect> = new Map([
  ['json-schema.org/draft-06/schema', 'draft-07'],
  ['json-schema.org/draft-07/schema', 'draft-07'],
  ['json-schema.org/draft/2019-09/schema', '2019-09'],
  ['json-schema.org/draft/2020-12/schema', '2020-12'],
]);

/**
 * The dialect that `$schema` names; without one 2020-12, unless `usesOldKeywords` (what draft-07 alone has) says
 * otherwise. Undefined for a `$schema` that is not known: guessing could let through what its author forbids.
 */
export function chooseDialect(schema: JsonSchema, usesOldKeywords: boolean): Dialect | undefined {
  if (schema.$schema === undefined) return usesOldKeywords ? 'draft-07' : '2020-12';
  if (typeof schema.$schema !== 'string') return undefined;
  return dialectsByAddress.get(schema.$schema.replace(/^https?:\/\//, '').replace(/#$/, ''));
}

/**
 * A new Ajv for tool inputs: it neither coerces, strips nor fills in (a body is taken as it came or refused), sees own
 * properties alone, and runs every pattern in linear time.
 */
export function createAjv(dialect: Dialect, allErrors: boolean): Ajv {
  const options: Options = {
    allErrors,
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
    // `required: ["toString"]` must not be met by what every object inherits.
    ownProperties: true,
    strict: false,
    logger: false,
    validateSchema: false,
    // 19.99 is a multiple of 0.01 although the division in binary leaves a rest.
    multipleOfPrecision: 8,
    code: { regExp: Object.assign((source: string): Pattern => new NamedPattern(source), { code: 'compilePattern' }) },
  };
  const ajv = construct(dialect, options);
  ajv.removeKeyword('uniqueItems').addKeyword(uniqueItems);
  // A draft-04 `id` says nothing in these dialects, but Ajv throws at the sight of it.
  ajv.removeKeyword('id');
  addFormats(ajv);
  return ajv;
}

function construct(dialect: Dialect, options: Options): Ajv {
  switch (dialect) {
    case 'draft-07':
      return new Ajv(options);
    case '2019-09':
      return new Ajv2019(options);
    case '2020-12':
      return new Ajv2020(options);
  }
}

// Ajv shares compiled patterns by their text form, so it has to differ wherever the pattern does.
class NamedPattern implements Pattern {
  readonly #pattern: Pattern;

  constructor(readonly source: string) {
    this.#pattern = compilePattern(source);
  }

  test(text: string): boolean {
    return this.#pattern.test(text);
  }

  toString(): string {
    return this.source;
  }
}
