import { isJsonObject, type Json, type JsonObject } from '../../core/index.js';
import { sanitizeKeyword } from '../../schema/index.js';
import type { InputPlan } from './inputs.js';
import type { OperationNotes } from './notes.js';
import type { Dialect, Operation } from './operation.js';
import type { References } from './reference.js';
import { listOf, objectOf, pick, textOf } from './value.js';

/** A parameter with its reference followed and its schema in one shape for all dialects. */
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  /** In OpenAPI's terms, the parameter's own description on top. */
  readonly schema: JsonObject;
  /** What the schema comes to once its reference is followed. */
  readonly shape: JsonObject;
  readonly source: JsonObject;
}

const schemaMembers = [
  ...['type', 'format', 'items', 'default', 'enum', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  ...['minLength', 'maxLength', 'pattern', 'minItems', 'maxItems', 'uniqueItems', 'multipleOf'],
  ...['x-nullable', sanitizeKeyword],
];

/** The parameters of an operation: the path's, with the operation's own in their place where name and place agree. */
export function listParameters(operation: Operation, dialect: Dialect, references: References): readonly Parameter[] {
  const merged = new Map<string, Parameter>();
  for (const entry of [...listOf(operation.item.parameters), ...listOf(operation.value.parameters)]) {
    const source = references.follow(entry);
    const name = textOf(source?.name);
    const place = textOf(source?.in);
    if (!source || name === undefined || place === undefined) continue;
    const schema = readSchema(source, dialect);
    const shape = references.follow(schema) ?? {};
    const required = source.required === true || place === 'path';
    merged.set(`${place} ${name}`, { name, in: place, required, schema, shape, source });
  }
  return [...merged.values()];
}

/** Gives each parameter its place in the plan. Bodies of OpenAPI 2 are parameters as well and left to body.ts. */
export function planParameters(
  parameters: readonly Parameter[],
  plan: InputPlan,
  dialect: Dialect,
  references: References,
  notes: OperationNotes,
): void {
  const of = (place: string) => parameters.filter((parameter) => parameter.in === place);
  for (const parameter of of('query')) planQuery(parameter, plan, dialect, references, notes);
  for (const parameter of of('header')) planHeader(parameter, plan, dialect, notes);
  for (const parameter of of('path')) planPath(parameter, plan, dialect);
  planCookies(of('cookie'), plan, dialect, notes);
}

function readSchema(source: JsonObject, dialect: Dialect): JsonObject {
  const schema = dialect === '2.0' ? pick(source, schemaMembers) : readSchemaOf3(source);
  const { example, examples } = source;
  const shown = example ?? Object.values(objectOf(examples)).map((entry) => objectOf(entry).value)[0];
  const description = textOf(source.description) ?? textOf(schema.description);
  return {
    ...schema,
    ...(description === undefined ? {} : { description }),
    ...(shown === undefined ? {} : { examples: [shown] }),
    ...(source.deprecated === true ? { deprecated: true } : {}),
  };
}

function readSchemaOf3(source: JsonObject): JsonObject {
  if (isJsonObject(source.schema)) return source.schema;
  const [type] = Object.keys(objectOf(source.content));
  if (type === undefined) return {};
  return { type: 'string', contentMediaType: type, description: `A text in ${type}.` };
}

function planQuery(
  parameter: Parameter,
  plan: InputPlan,
  dialect: Dialect,
  references: References,
  notes: OperationNotes,
): void {
  const { name, required, shape, source } = parameter;
  if (typeIs(shape, 'object') || (shape.type === undefined && isJsonObject(shape.properties))) {
    planQueryObject(parameter, plan, references, notes);
    return;
  }
  const separator = typeIs(shape, 'array') ? separatorOf(source, dialect, 'query') : undefined;
  addQuery(name, separator === undefined ? parameter.schema : toDelimited(parameter, separator), required, plan);
}

function addQuery(name: string, schema: Json, required: boolean, plan: InputPlan): void {
  if (!plan.has(name)) {
    plan.add(name, schema, required);
    return;
  }
  const input = plan.freeName(name, 'query');
  plan.add(input, schema, required);
  plan.query.push(`${encodeURIComponent(name)}={${input}}`);
}

// An object in the query is spread over names that UTCP can send: its members' own, or `name[member]`.
function planQueryObject(parameter: Parameter, plan: InputPlan, references: References, notes: OperationNotes): void {
  const { name, required, shape, source } = parameter;
  const style = source.style ?? 'form';
  const spreads = style === 'deepObject' || (style === 'form' && source.explode !== false);
  const members = spreads ? Object.entries(objectOf(shape.properties)) : [];
  const flat = members.filter(([, schema]) => !isNested(references.follow(schema) ?? {}));
  if (flat.length === 0 && required) {
    notes.leaveOut(`query parameter ${name} is an object of unknown members`, 'Give it flat properties.');
    return;
  }
  if (flat.length < members.length || members.length === 0) {
    notes.drop(`query parameter ${name} is carried only as far as its members are flat`, 'Give it flat properties.');
  }
  const needed = new Set(required ? listOf(shape.required) : []);
  for (const [member, schema] of flat) {
    addQuery(style === 'deepObject' ? `${name}[${member}]` : member, schema, needed.has(member), plan);
  }
}

// RFC 9110 sections 7.6.1 and 12.5: the connection's own; OpenAPI 3.0 section 4.7.12.2: never parameters.
const ownHeaders = new Set([
  ...['accept', 'content-type', 'authorization', 'accept-encoding', 'connection', 'content-length', 'expect', 'host'],
  ...['keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'proxy-authorization', 'http2-settings'],
]);

function planHeader(parameter: Parameter, plan: InputPlan, dialect: Dialect, notes: OperationNotes): void {
  const { name, required, shape, source } = parameter;
  if (ownHeaders.has(name.toLowerCase()) || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
    notes.tell('openapi-header-ignored', `header ${name} is no parameter of a tool`, 'Nothing has to be done.');
    return;
  }
  const schema = typeIs(shape, 'array')
    ? toDelimited(parameter, separatorOf(source, dialect, 'header') ?? ',')
    : parameter.schema;
  if (!plan.has(name)) {
    plan.add(name, schema, required);
    plan.header_fields.push(name);
    return;
  }
  const input = plan.freeName(name, 'header');
  plan.add(input, schema, required);
  plan.headers[name] = `{${input}}`;
}

function planPath(parameter: Parameter, plan: InputPlan, dialect: Dialect): void {
  const { name, shape, source } = parameter;
  const input = plan.freeName(name, 'path');
  const schema = typeIs(shape, 'array')
    ? toDelimited(parameter, separatorOf(source, dialect, 'path') ?? ',')
    : parameter.schema;
  plan.add(input, schema, true);
  const before = source.style === 'label' ? '.' : source.style === 'matrix' ? `;${name}=` : '';
  plan.path.set(name, `${before}{${input}}`);
}

// UTCP has no cookies; a header that names them is left out whole when one of its arguments is absent.
function planCookies(cookies: readonly Parameter[], plan: InputPlan, dialect: Dialect, notes: OperationNotes): void {
  const required = cookies.filter((cookie) => cookie.required);
  const carried = required.length > 0 ? required : cookies.slice(0, 1);
  for (const { name } of cookies.filter((cookie) => !carried.includes(cookie))) {
    notes.drop(`cookie ${name} is not carried`, 'Nothing can be done: UTCP carries no optional cookie beside another.');
  }
  const pairs = carried.map((cookie) => {
    const input = plan.freeName(cookie.name, 'cookie');
    plan.add(input, toCookie(cookie, dialect), cookie.required);
    return `${cookie.name}={${input}}`;
  });
  if (pairs.length > 0) plan.headers.Cookie = pairs.join('; ');
}

// RFC 6265 section 4.1.1: what would end a cookie's value is no part of one.
function toCookie(cookie: Parameter, dialect: Dialect): JsonObject {
  if (typeIs(cookie.shape, 'integer') || typeIs(cookie.shape, 'boolean') || typeIs(cookie.shape, 'number')) {
    return cookie.schema;
  }
  const text = typeIs(cookie.shape, 'array')
    ? toDelimited(cookie, separatorOf(cookie.source, dialect, 'cookie') ?? '|')
    : cookie.schema;
  return { ...text, type: 'string', pattern: '^[!#-+\\--:<-\\[\\]-~]*$' };
}

function typeIs(schema: JsonObject, type: string): boolean {
  return schema.type === type || (Array.isArray(schema.type) && schema.type.includes(type));
}

function isNested(schema: JsonObject): boolean {
  return typeIs(schema, 'object') || isJsonObject(schema.properties);
}

/** What stands between the items of a list; undefined where each item is sent by itself. */
function separatorOf(source: JsonObject, dialect: Dialect, place: string): string | undefined {
  if (dialect === '2.0') {
    const format = textOf(source.collectionFormat) ?? 'csv';
    return format === 'multi' ? undefined : ({ ssv: ' ', tsv: '\t', pipes: '|' }[format] ?? ',');
  }
  const style = textOf(source.style) ?? (place === 'query' || place === 'cookie' ? 'form' : 'simple');
  if (place === 'query' && (source.explode ?? style === 'form') === true) return undefined;
  return { spaceDelimited: ' ', pipeDelimited: '|' }[style] ?? ',';
}

// UTCP repeats a list's items; an API that wants them in one text is given that text.
function toDelimited({ schema, shape }: Parameter, separator: string): JsonObject {
  const items = objectOf(shape.items);
  const choices = listOf(items.enum).map((choice) => String(choice));
  const description = [
    textOf(schema.description) ?? textOf(shape.description),
    `Several values are separated by ${JSON.stringify(separator)}.`,
    choices.length > 0 ? `Each is one of ${choices.join(', ')}.` : undefined,
  ];
  return {
    type: 'string',
    description: description.filter((part) => part !== undefined).join(' '),
    ...(typeof shape.minItems === 'number' && shape.minItems > 0 ? { minLength: 1 } : {}),
    ...(schema.deprecated === true ? { deprecated: true } : {}),
  };
}
