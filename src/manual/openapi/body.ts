import { isJsonObject, type Json, type JsonObject } from '../../core/index.js';
import type { InputPlan } from './inputs.js';
import type { OperationNotes } from './notes.js';
import type { Dialect, Operation } from './operation.js';
import type { Parameter } from './parameter.js';
import type { References } from './reference.js';
import { listOf, objectOf, textOf } from './value.js';

const form = 'application/x-www-form-urlencoded';

/** What an operation takes as its body, in one shape for all dialects. */
interface Body {
  readonly required: boolean;
  readonly description: string | undefined;
  /** Media types and what each holds. */
  readonly content: ReadonlyMap<string, JsonObject>;
}

/** Gives the body its place in the plan, or says why it has none. */
export function planBody(
  operation: Operation,
  parameters: readonly Parameter[],
  plan: InputPlan,
  dialect: Dialect,
  references: References,
  notes: OperationNotes,
): void {
  const body = dialect === '2.0' ? readBodyOf2(operation, parameters, references) : readBodyOf3(operation, references);
  if (!body) return;
  const refuse = (what: string, mend: string) => (body.required ? notes.leaveOut(what, mend) : notes.drop(what, mend));
  if (operation.method === 'get') {
    // RFC 9110 section 9.3.1: a body of a GET has no meaning.
    refuse('the body of a GET is not carried', 'Describe the arguments as query parameters.');
    return;
  }
  const type = chooseType([...body.content.keys()]);
  if (type === undefined) {
    const types = [...body.content.keys()].join(', ') || 'no media type';
    refuse(`a body of ${types} is not carried`, 'Offer JSON or a form as well.');
    return;
  }
  const media = body.content.get(type) ?? {};
  const isStructured = isJson(type) || baseType(type) === form;
  if (!isStructured && !isText(type)) {
    notes.drop(`the body of ${baseType(type)} is carried as text, so bytes that are no UTF-8 are not`, 'Offer JSON.');
  }
  const schema = isStructured
    ? objectOf(media.schema)
    : { type: 'string', description: `A text in ${baseType(type)}.` };
  plan.addBody(describe(schema, body, media), body.required, sentType(type));
}

function readBodyOf3({ value }: Operation, references: References): Body | undefined {
  const source = references.follow(value.requestBody);
  if (!source) return undefined;
  const content = Object.entries(objectOf(source.content)).map(([type, media]) => [type, objectOf(media)] as const);
  return { required: source.required === true, description: textOf(source.description), content: new Map(content) };
}

function readBodyOf2(operation: Operation, parameters: readonly Parameter[], references: References): Body | undefined {
  const own = listOf(operation.value.consumes);
  const types = (own.length > 0 ? own : listOf(references.root.consumes)).filter((type) => typeof type === 'string');
  const [body] = parameters.filter((parameter) => parameter.in === 'body');
  if (body) {
    const media = { schema: objectOf(body.source.schema) };
    const content = new Map((types.length > 0 ? types : ['application/json']).map((type) => [type, media]));
    return { required: body.required, description: textOf(body.source.description), content };
  }
  const fields = parameters.filter((parameter) => parameter.in === 'formData');
  return fields.length > 0 ? readForm(fields, types) : undefined;
}

function readForm(fields: readonly Parameter[], types: readonly string[]): Body {
  const hasFile = fields.some(({ source }) => source.type === 'file');
  const isMultipart = hasFile || (types.length > 0 && types.every((type) => type.startsWith('multipart/')));
  const required = fields.filter((field) => field.required).map((field) => field.name);
  const schema = {
    type: 'object',
    properties: Object.fromEntries(fields.map((field) => [field.name, field.schema])),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
  const type = isMultipart ? 'multipart/form-data' : form;
  return { required: required.length > 0, description: undefined, content: new Map([[type, { schema }]]) };
}

// What keeps the types of arguments comes first.
function chooseType(types: readonly string[]): string | undefined {
  return (
    types.find((type) => baseType(type) === 'application/json') ??
    types.find(isJson) ??
    types.find((type) => baseType(type) === form) ??
    types.find(isText) ??
    types.find((type) => !baseType(type).startsWith('multipart/'))
  );
}

function describe(schema: JsonObject, body: Body, media: JsonObject): Json {
  const description = body.description ?? textOf(schema.description);
  const [named] = Object.values(objectOf(media.examples)).map((entry) => objectOf(entry).value);
  const example = media.example ?? named;
  return {
    ...schema,
    ...(description === undefined ? {} : { description }),
    ...(example === undefined || !isJsonObject(example) ? {} : { examples: [example] }),
  };
}

/** Whether a media type is JSON (RFC 6839 suffix included), or a range that JSON is in. */
export function isJson(type: string): boolean {
  const base = baseType(type);
  return base === 'application/json' || base.endsWith('+json') || ['*/*', 'application/*', 'text/json'].includes(base);
}

/** Whether a media type is text that a JSON string can carry whole. */
export function isText(type: string): boolean {
  const base = baseType(type);
  return base.startsWith('text/') || /[/+](xml|yaml|csv|graphql|javascript|sql|x-ndjson)$/.test(base);
}

function baseType(type: string): string {
  return (type.split(';', 1)[0] ?? '').trim().toLowerCase();
}

function sentType(type: string): string {
  return baseType(type).includes('*') ? 'application/json' : baseType(type);
}
