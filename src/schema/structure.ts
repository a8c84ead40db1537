import { isJsonObject, type JsonObject, type JsonSchema, toPointer } from '../core/index.js';

const single: ReadonlySet<string> = new Set([
  'additionalItems',
  'additionalProperties',
  'contains',
  'contentSchema',
  'else',
  'if',
  'items',
  'not',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
]);
const lists: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems']);
const maps: ReadonlySet<string> = new Set([
  '$defs',
  'definitions',
  'dependencies',
  'dependentSchemas',
  'patternProperties',
  'properties',
]);

const onlyBefore2019 = ['definitions', 'dependencies', 'additionalItems'] as const;
const onlySince2019 = [
  '$defs',
  'dependentRequired',
  'dependentSchemas',
  'prefixItems',
  'unevaluatedProperties',
] as const;

/** The keyword of a string's schema that names what is taken out of it before it is validated. */
export const sanitizeKeyword = 'x-sanitize';

/** Deepest nesting of a schema that is read. */
const maxSchemaDepth = 200;

/** What a walk through a schema, reference targets not followed, has found. */
export interface SchemaStructure {
  readonly patterns: ReadonlyMap<string, string>;
  /** Each `$ref` and `$dynamicRef` with the pointer where it stands. */
  readonly references: ReadonlyMap<string, string>;
  readonly anchors: ReadonlySet<string>;
  /** Whether a `$id` gives references a base of their own. */
  readonly identified: boolean;
  /** Each schema that names sanitizers, with its pointer. */
  readonly sanitized: ReadonlyMap<JsonObject, string>;
  /** Whether it uses what draft-07 has and 2020-12 has not, and nothing newer. */
  readonly usesOldKeywords: boolean;
  /** What no validator can be made of, with its pointer. */
  readonly problem: string | undefined;
}

/** Where a schema stands; its pointer is put together when something is to be said of it, which it seldom is. */
interface Place {
  readonly schema: JsonObject;
  readonly parent: Place | undefined;
  readonly tokens: readonly (string | number)[];
  readonly depth: number;
}

/** Reads a schema's structure: only where schemas stand, so a property that is called `pattern` is not taken for one. */
export function readStructure(root: JsonSchema): SchemaStructure {
  const patterns = new Map<string, string>();
  const references = new Map<string, string>();
  const anchors = new Set<string>();
  const sanitized = new Map<JsonObject, string>();
  const used = new Set<string>();
  const seen = new Set<JsonObject>();
  let identified = false;
  let problem: string | undefined;
  const open: Place[] = [{ schema: root, parent: undefined, tokens: [], depth: 0 }];
  for (let place = open.pop(); place && !problem; place = open.pop()) {
    const { schema } = place;
    if (seen.has(schema)) continue;
    seen.add(schema);
    problem = findProblem(place);
    if (typeof schema.pattern === 'string') patterns.set(schema.pattern, pointerTo(place, 'pattern'));
    for (const source of memberNames(schema.patternProperties)) {
      patterns.set(source, pointerTo(place, 'patternProperties', source));
    }
    for (const keyword of ['$ref', '$dynamicRef'] as const) {
      if (typeof schema[keyword] === 'string') references.set(schema[keyword], pointerTo(place, keyword));
    }
    for (const keyword of ['$anchor', '$dynamicAnchor'] as const) {
      if (typeof schema[keyword] === 'string') anchors.add(schema[keyword]);
    }
    if (schema[sanitizeKeyword] !== undefined) sanitized.set(schema, pointerTo(place));
    identified ||= schema.$id !== undefined;
    for (const name of Object.keys(schema)) {
      used.add(name === 'items' && Array.isArray(schema.items) ? 'items[]' : name);
      pushSubschemas(place, name, open);
    }
  }
  const usesOldKeywords =
    (used.has('items[]') || onlyBefore2019.some((name) => used.has(name))) &&
    !onlySince2019.some((name) => used.has(name));
  return { patterns, references, anchors, sanitized, identified, usesOldKeywords, problem };
}

function pointerTo({ parent, tokens }: Place, ...below: readonly (string | number)[]): string {
  return (parent ? pointerTo(parent) : '') + toPointer(...tokens, ...below);
}

function findProblem(place: Place): string | undefined {
  const { schema, depth } = place;
  if (depth > maxSchemaDepth) return `${pointerTo(place)}: the schema is nested deeper than ${maxSchemaDepth} levels.`;
  // Ajv would answer with a promise, which a caller could take for a yes.
  if (schema.$async !== undefined) return `${pointerTo(place, '$async')}: is not a keyword of JSON Schema.`;
  if (schema.nullable !== undefined && schema.type === undefined) {
    return `${pointerTo(place, 'nullable')}: says nothing without "type"; write an anyOf with {"type": "null"}.`;
  }
  return undefined;
}

function pushSubschemas(place: Place, name: string, open: Place[]): void {
  const value = place.schema[name];
  const push = (schema: unknown, ...tokens: readonly (string | number)[]) => {
    if (isJsonObject(schema)) open.push({ schema, parent: place, tokens, depth: place.depth + 1 });
  };
  if (Array.isArray(value)) {
    if (lists.has(name)) for (const [index, item] of value.entries()) push(item, name, index);
  } else if (isJsonObject(value)) {
    if (single.has(name)) push(value, name);
    else if (maps.has(name)) for (const [key, member] of Object.entries(value)) push(member, name, key);
  }
}

function memberNames(value: unknown): readonly string[] {
  return isJsonObject(value) ? Object.keys(value) : [];
}

/** Whether a reference stays within its schema and leads to a schema there (JSON pointer or anchor). */
export function resolvesWithin(root: JsonSchema, reference: string, anchors: ReadonlySet<string>): boolean {
  if (reference.startsWith('#') && reference !== '#' && !reference.startsWith('#/'))
    return anchors.has(reference.slice(1));
  const target = findWithin(root, reference);
  return isJsonObject(target) || typeof target === 'boolean';
}

/** What a reference by JSON pointer leads to within its schema; undefined where that is nothing. */
export function findWithin(root: JsonSchema, reference: string): unknown {
  if (reference === '#') return root;
  if (!reference.startsWith('#/')) return undefined;
  let target: unknown = root;
  for (const token of reference.slice(2).split('/')) {
    const name = decodeToken(token);
    if (name === undefined || typeof target !== 'object' || target === null || !Object.hasOwn(target, name))
      return undefined;
    target = Reflect.get(target, name);
  }
  return target;
}

function decodeToken(token: string): string | undefined {
  try {
    return decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    // A percent sign that encodes nothing: the reference leads nowhere.
    return undefined;
  }
}
