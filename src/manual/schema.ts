import { isJsonObject, type Json, type JsonObject, type JsonSchema } from '../core/index.js';

type Keyword = (value: Json) => Json | undefined;

const types = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']);

/**
 * What each keyword may hold, so that every official client parses the schema (utcp-interop.md, "A manual, as served" 4
 * and 7) and its meta-schema accepts it. What cannot be meant is left out; a keyword that is not listed is an annotation
 * and stays, without nulls.
 */
const keywords: ReadonlyMap<string, Keyword> = new Map([
  ...each(['not', 'if', 'then', 'else', 'contains', 'propertyNames', 'contentSchema'], normalizeNode),
  ...each(['additionalProperties', 'additionalItems', 'unevaluatedProperties', 'unevaluatedItems'], keepBoolean),
  ...each(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'], normalizeMap),
  ...each(['anyOf', 'allOf', 'oneOf', 'prefixItems'], normalizeList),
  ...each(['items'], (value) => (Array.isArray(value) ? normalizeList(value) : normalizeNode(value))),
  ...each(['dependencies'], normalizeDependencies),
  ...each(['dependentRequired'], (value) => normalizeDependencies(listsOf(value))),
  ...each(['title', 'description', 'format', 'pattern', '$schema', '$id', '$ref', '$anchor', '$comment'], keepText),
  ...each(['contentMediaType', 'contentEncoding', '$dynamicRef', '$dynamicAnchor'], keepText),
  ...each(['minLength', 'minItems', 'minProperties', 'minContains'], (value) => toCount(value, Math.ceil)),
  ...each(['maxLength', 'maxItems', 'maxProperties', 'maxContains'], (value) => toCount(value, Math.floor)),
  ...each(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'], toNumber),
  ...each(['multipleOf'], (value) => positive(toNumber(value))),
  ...each(['uniqueItems', 'readOnly', 'writeOnly', 'deprecated'], (value) =>
    typeof value === 'boolean' ? value : undefined,
  ),
  ...each(['type'], normalizeType),
  ...each(['required'], (value) => (Array.isArray(value) ? unique(value.filter(isText)) : undefined)),
  ...each(['enum'], (value) => (Array.isArray(value) ? unique(value) : undefined)),
  ...each(['const'], (value) => value),
  ...each(['default'], (value) => (holdsNull(value) ? undefined : value)),
  ...each(['examples'], (value) => (Array.isArray(value) ? value.filter((item) => !holdsNull(item)) : undefined)),
]);

/**
 * Rewrites a JSON schema into the form that every official client accepts, with the same meaning: no boolean subschema, no
 * null, no `type: any`, no boolean `required`, whole lengths. Idempotent. A root that is no object becomes `{}`.
 */
export function normalizeSchema(schema: Json): JsonSchema {
  const { type, ...rest } = normalizeNode(schema);
  if (!Array.isArray(type)) return type === undefined ? rest : { type, ...rest };
  // The Go client reads the root's type as one text.
  return alsoAnyOf(
    rest,
    type.map((one) => ({ type: one })),
  );
}

const normal = new WeakSet<JsonSchema>();

/** `normalizeSchema`, and remembers the result: within whatever schema it stands, it is not gone through again. */
export function settleSchema(schema: Json): JsonSchema {
  const settled = normalizeSchema(schema);
  normal.add(settled);
  return settled;
}

function normalizeNode(schema: Json): JsonObject {
  if (schema === false) return { not: {} };
  if (!isJsonObject(schema)) return {};
  if (normal.has(schema)) return schema;
  const members: [string, Json][] = [];
  for (const [key, value] of Object.entries(expandExclusive(schema))) {
    const keyword = keywords.get(key);
    const kept = keyword ? keyword(value) : withoutNulls(value);
    if (kept !== undefined) members.push([key, kept]);
  }
  return expressNulls(hoistRequired(Object.fromEntries(members), schema));
}

// Draft-04 and OpenAPI 3.0 say by a boolean that `minimum` itself is excluded.
function expandExclusive(schema: JsonObject): JsonObject {
  if (typeof schema.exclusiveMinimum !== 'boolean' && typeof schema.exclusiveMaximum !== 'boolean') return schema;
  return bound(bound(schema, 'minimum', 'exclusiveMinimum'), 'maximum', 'exclusiveMaximum');
}

function bound(schema: JsonObject, inclusive: 'minimum' | 'maximum', exclusive: string): JsonObject {
  const { [inclusive]: limit, [exclusive]: excluded, ...rest } = schema;
  if (excluded !== true || limit === undefined)
    return excluded === true || excluded === false ? omit(schema, exclusive) : schema;
  return { ...rest, [exclusive]: limit };
}

// Draft-03 marked a required property in the property itself.
function hoistRequired(schema: JsonObject, source: JsonObject): JsonObject {
  if (!isJsonObject(source.properties)) return schema;
  const marked = Object.entries(source.properties).filter(
    ([, child]) => isJsonObject(child) && child.required === true,
  );
  if (marked.length === 0) return schema;
  const listed = Array.isArray(schema.required) ? schema.required : [];
  return { ...schema, required: unique([...listed, ...marked.map(([name]) => name)]) };
}

// A null in `enum` or `const` is meant; it is said by `type: "null"`, since a null member rejects a whole manual.
function expressNulls(schema: JsonObject): JsonObject {
  if (schema.const === null) return expressNulls({ ...omit(schema, 'const'), type: 'null' });
  if (!Array.isArray(schema.enum)) return schema;
  if (schema.enum.length === 0) return { ...omit(schema, 'enum'), not: {} };
  if (!schema.enum.includes(null)) return schema;
  const values: readonly Json[] = schema.enum.filter((value: Json) => value !== null);
  if (!admitsNull(schema.type))
    return values.length > 0 ? { ...schema, enum: values } : { ...omit(schema, 'enum'), not: {} };
  if (values.length === 0) return { ...omit(schema, 'enum'), type: 'null' };
  return alsoAnyOf(omit(schema, 'enum'), [{ enum: values }, { type: 'null' }]);
}

function admitsNull(type: Json | undefined): boolean {
  return type === undefined || type === 'null' || (Array.isArray(type) && type.includes('null'));
}

function alsoAnyOf(schema: JsonObject, anyOf: readonly JsonObject[]): JsonObject {
  if (schema.anyOf === undefined) return { ...schema, anyOf };
  return { ...schema, allOf: [...(Array.isArray(schema.allOf) ? schema.allOf : []), { anyOf }] };
}

function normalizeMap(value: Json): Json | undefined {
  if (!isJsonObject(value)) return undefined;
  return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, normalizeNode(schema)]));
}

function normalizeList(value: Json): Json | undefined {
  return Array.isArray(value) && value.length > 0 ? value.map(normalizeNode) : undefined;
}

function normalizeDependencies(value: Json): Json | undefined {
  if (!isJsonObject(value)) return undefined;
  return Object.fromEntries(
    Object.entries(value).map(([name, needs]) => [
      name,
      Array.isArray(needs) ? unique(needs.filter(isText)) : normalizeNode(needs),
    ]),
  );
}

function listsOf(value: Json): Json {
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, needs]) => Array.isArray(needs)));
}

function normalizeType(value: Json): Json | undefined {
  if (!Array.isArray(value)) return isText(value) && types.has(value) ? value : undefined;
  const known = unique(value);
  // One name that is no type may stand for anything.
  if (known.length === 0 || !known.every((name) => isText(name) && types.has(name))) return undefined;
  return known.length === 1 ? known[0] : known;
}

function keepBoolean(value: Json): Json {
  return typeof value === 'boolean' ? value : normalizeNode(value);
}

function keepText(value: Json): Json | undefined {
  return isText(value) ? value : undefined;
}

function toNumber(value: Json): number | undefined {
  const number = isText(value) && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
}

function toCount(value: Json, round: (number: number) => number): number | undefined {
  const number = toNumber(value);
  return number === undefined || number < 0 ? undefined : round(number);
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function withoutNulls(value: Json): Json | undefined {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.filter((item) => item !== null).map((item) => withoutNulls(item) ?? '');
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).map(([name, member]) => [name, withoutNulls(member)] as const);
  return Object.fromEntries(members.flatMap(([name, member]) => (member === undefined ? [] : [[name, member]])));
}

function holdsNull(value: Json): boolean {
  if (typeof value !== 'object') return false;
  return value === null || (Array.isArray(value) ? value : Object.values(value)).some(holdsNull);
}

function unique(values: readonly Json[]): readonly Json[] {
  const seen = new Set<string>();
  return values.filter((value) => {
    const text = JSON.stringify(value);
    return !seen.has(text) && seen.add(text);
  });
}

function omit(schema: JsonObject, name: string): JsonObject {
  const { [name]: _omitted, ...rest } = schema;
  return rest;
}

function isText(value: Json): value is string {
  return typeof value === 'string';
}

function each(names: readonly string[], keyword: Keyword): readonly (readonly [string, Keyword])[] {
  return names.map((name) => [name, keyword] as const);
}
