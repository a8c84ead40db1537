import type { Json, JsonObject } from '../../core/index.js';
import { isJson, isText } from './body.js';
import type { Dialect, Operation } from './operation.js';
import type { References } from './reference.js';
import { listOf, objectOf } from './value.js';

/** What an operation answers with. */
export interface OutputPlan {
  /** In OpenAPI's terms; undefined when the answers may be anything. */
  readonly schema: JsonObject | undefined;
  /** Mean length of the document's examples as JSON, in bytes. */
  readonly average_response_size: number | undefined;
}

/** The schema of one good answer; `undefined` for an answer that may be anything. */
type Answer = { readonly schema: JsonObject | undefined; readonly examples: readonly Json[] };

/**
 * The answers of success as one schema: each 2xx that the document lists is an alternative, an empty one is null. Without
 * a 2xx the `default` answer stands for it.
 */
export function planOutputs(operation: Operation, dialect: Dialect, references: References): OutputPlan {
  const responses = objectOf(operation.value.responses);
  const codes = Object.keys(responses).filter((code) => /^2(\d\d|XX)$/i.test(code));
  const chosen = codes.length > 0 ? codes : Object.keys(responses).filter((code) => code === 'default');
  const answers = chosen.map((code) => {
    const response = references.follow(responses[code]) ?? {};
    return dialect === '2.0' ? readAnswerOf2(operation, response, references) : readAnswerOf3(response);
  });
  const examples = answers.flatMap((answer) => answer.examples.map((example) => resolveExample(example, references)));
  return { schema: unite(answers), average_response_size: meanSize(examples) };
}

function unite(answers: readonly Answer[]): JsonObject | undefined {
  const distinct = new Map<string, JsonObject>();
  for (const { schema } of answers) {
    if (!schema || Object.keys(schema).length === 0) return undefined;
    distinct.set(JSON.stringify(schema), schema);
  }
  const [first, ...others] = distinct.values();
  if (!first || (others.length === 0 && first === empty)) return undefined;
  return others.length === 0 ? first : { anyOf: [first, ...others] };
}

const empty: JsonObject = { type: 'null' };

function readAnswerOf3(response: JsonObject): Answer {
  const content = Object.entries(objectOf(response.content)).map(([type, media]) => [type, objectOf(media)] as const);
  if (content.length === 0) return { schema: empty, examples: [] };
  const [, json] = content.find(([type]) => isJson(type)) ?? [];
  if (json) return { schema: objectOf(json.schema), examples: readExamples(json) };
  return content.every(([type]) => isText(type))
    ? { schema: { type: 'string' }, examples: [] }
    : { schema: undefined, examples: [] };
}

function readAnswerOf2({ value }: Operation, response: JsonObject, references: References): Answer {
  if (response.schema === undefined) return { schema: empty, examples: [] };
  const own = listOf(value.produces);
  const types = (own.length > 0 ? own : listOf(references.root.produces)).filter((type) => typeof type === 'string');
  const schema = objectOf(response.schema);
  if (schema.type === 'file' || (types.length > 0 && !types.some(isJson))) return { schema: undefined, examples: [] };
  const example = objectOf(response.examples)['application/json'];
  return { schema, examples: example === undefined ? [] : [example] };
}

function readExamples(media: JsonObject): readonly Json[] {
  if (media.example !== undefined) return [media.example];
  const named = Object.values(objectOf(media.examples));
  const own = objectOf(media.schema).example;
  return named.length > 0 || own === undefined ? named : [own];
}

function resolveExample(example: Json, references: References): Json {
  const named = references.follow(example);
  return named?.value ?? example;
}

function meanSize(examples: readonly Json[]): number | undefined {
  if (examples.length === 0) return undefined;
  const bytes = examples.reduce<number>((sum, example) => sum + Buffer.byteLength(JSON.stringify(example)), 0);
  return Math.round(bytes / examples.length);
}
