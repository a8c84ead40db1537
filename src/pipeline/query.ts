import { holdsInexactNumber, isExactNumber, isJsonObject, type Json, type JsonSchema } from '../core/index.js';

type ScalarType = 'integer' | 'number' | 'boolean' | 'null' | 'object' | 'string';

/** How the values of one query parameter are read. */
export interface Coercion {
  readonly types: readonly ScalarType[];
  /** For arrays: how each item is read. */
  readonly items: readonly ScalarType[] | undefined;
}

const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const scalarTypes: readonly ScalarType[] = ['null', 'boolean', 'integer', 'number', 'object', 'string'];

/** Reads from a schema's top-level properties how query parameters become arguments. */
export function createCoercions(inputs: JsonSchema): ReadonlyMap<string, Coercion> {
  const properties = Object.entries(isJsonObject(inputs.properties) ? inputs.properties : {});
  return new Map(
    properties.map(([name, schema]) => {
      const types = typesOf(schema);
      const isArray = types.includes('array');
      const items = isArray ? scalars(typesOf(isJsonObject(schema) ? (schema.items ?? {}) : {})) : undefined;
      return [name, { types: scalars(types), items }];
    }),
  );
}

function typesOf(schema: Json): readonly string[] {
  if (!isJsonObject(schema)) return [];
  const { type } = schema;
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.filter((name: Json) => typeof name === 'string');
  const branches = [schema.anyOf, schema.oneOf].flatMap((list) => (Array.isArray(list) ? list : []));
  return branches.flatMap(typesOf);
}

function scalars(types: readonly string[]): readonly ScalarType[] {
  const found = scalarTypes.filter((type) => types.includes(type));
  return found.length > 0 ? found : ['string'];
}

/**
 * The arguments of a query string. Only query strings are coerced, and only by the schema's word; a value that does
 * not read as its type stays text, which validation then refuses with a pointer.
 */
export function coerceQuery(query: string, coercions: ReadonlyMap<string, Coercion>): Record<string, Json> {
  const grouped = new Map<string, string[]>();
  for (const [rawName, value] of new URLSearchParams(query)) {
    // The TypeScript client writes arrays as `a[]=1&a[]=2`, the Python client as `a=1&a=2`.
    const name = rawName.endsWith('[]') && !coercions.has(rawName) ? rawName.slice(0, -2) : rawName;
    const values = grouped.get(name);
    if (values) values.push(value);
    else grouped.set(name, [value]);
  }
  return Object.fromEntries([...grouped].map(([name, values]) => [name, coerceValues(values, coercions.get(name))]));
}

function coerceValues(values: readonly string[], coercion: Coercion | undefined): Json {
  if (coercion?.items) {
    const { items } = coercion;
    return values.map((value) => coerceScalar(value, items));
  }
  // A scalar that comes twice stays an array, which its schema refuses: no first-or-last guessing.
  if (values.length > 1) return [...values];
  return coerceScalar(values[0] ?? '', coercion?.types ?? ['string']);
}

function coerceScalar(text: string, types: readonly ScalarType[]): Json {
  for (const type of types) {
    if (type === 'string') return text;
    if (type === 'null' && (text === '' || text === 'null')) return null;
    if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
    // One that would change stays text, which the schema refuses with a pointer.
    if ((type === 'integer' || type === 'number') && jsonNumber.test(text) && isExactNumber(text)) return Number(text);
    if (type === 'object' && text.startsWith('{')) return parseObject(text);
  }
  return text;
}

function parseObject(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) && !holdsInexactNumber(text) ? value : text;
  } catch {
    // Not JSON: it stays the text that it is, and the schema refuses it with a pointer.
    return text;
  }
}
