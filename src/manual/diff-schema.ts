import { isJsonObject, type Json, type JsonObject, type JsonSchema, toPointer } from '../core/index.js';
import { parsePointer } from './document.js';

/**
 * How a schema changed: it refuses what it took before, takes what it refused, or only says it in other words. What cannot
 * be told is `narrowed`, since a caller has to look.
 */
export interface SchemaChange {
  readonly kind: 'narrowed' | 'widened' | 'described';
  /** JSON pointer in the schema. */
  readonly pointer: string;
  readonly message: string;
}

/** Compares what two schemas accept, keyword by keyword; references inside them are followed. */
export function diffSchemas(before: JsonSchema, after: JsonSchema): readonly SchemaChange[] {
  const comparison = new Comparison(before, after);
  comparison.compare(before, after, '');
  return comparison.changes;
}

const ceilings = ['maxLength', 'maximum', 'exclusiveMaximum', 'maxItems', 'maxProperties', 'maxContains'];
const floors = ['minLength', 'minimum', 'exclusiveMinimum', 'minItems', 'minProperties', 'minContains'];
const annotations = ['description', 'title', 'examples', 'default', 'deprecated', '$comment', 'readOnly', 'writeOnly'];
const handled = new Set([
  ...[
    ...ceilings,
    ...floors,
    ...annotations,
    'type',
    'enum',
    'const',
    'required',
    'properties',
    'additionalProperties',
  ],
  ...['items', 'anyOf', 'oneOf', 'allOf', 'uniqueItems', '$ref', '$defs', 'definitions', '$schema', '$id'],
]);

class Comparison {
  readonly changes: SchemaChange[] = [];
  readonly #compared = new Set<string>();

  constructor(
    readonly before: JsonSchema,
    readonly after: JsonSchema,
  ) {}

  compare(one: Json | undefined, other: Json | undefined, pointer: string): void {
    if (!this.#isNew(one, other)) return;
    const before = follow(one, this.before);
    const after = follow(other, this.after);
    if (before === false || after === false) {
      if (before !== after) this.#add(after === false ? 'narrowed' : 'widened', pointer, 'whether anything fits');
      return;
    }
    const [old, fresh] = [isJsonObject(before) ? before : {}, isJsonObject(after) ? after : {}];
    this.#compareTypes(old, fresh, pointer);
    this.#compareChoices(old, fresh, pointer);
    this.#compareBounds(old, fresh, pointer);
    this.#compareObjects(old, fresh, pointer);
    this.#compareAlternatives(old, fresh, pointer);
    if (old.items !== undefined || fresh.items !== undefined) this.compare(old.items, fresh.items, `${pointer}/items`);
    this.#compareOthers(old, fresh, pointer);
    for (const name of annotations) {
      if (!same(old[name], fresh[name])) this.#add('described', `${pointer}/${name}`, `${name} changed`);
    }
  }

  #add(kind: SchemaChange['kind'], pointer: string, message: string): void {
    this.changes.push({ kind, pointer, message });
  }

  // A schema that contains itself is compared once.
  #isNew(one: Json | undefined, other: Json | undefined): boolean {
    if (!isReference(one) && !isReference(other)) return true;
    const key = JSON.stringify([one ?? null, other ?? null]);
    return !this.#compared.has(key) && Boolean(this.#compared.add(key));
  }

  #compareTypes(before: JsonObject, after: JsonObject, pointer: string): void {
    const old = typesOf(before);
    const fresh = typesOf(after);
    const lost = old.filter((type) => !fresh.includes(type));
    const won = fresh.filter((type) => !old.includes(type));
    if (lost.length > 0) this.#add('narrowed', `${pointer}/type`, `no longer takes ${lost.join(', ')}`);
    if (won.length > 0) this.#add('widened', `${pointer}/type`, `takes ${won.join(', ')} too`);
  }

  #compareChoices(before: JsonObject, after: JsonObject, pointer: string): void {
    const old = choicesOf(before);
    const fresh = choicesOf(after);
    if (!old && !fresh) return;
    const lost = !old || (fresh && old.some((choice) => !fresh.includes(choice)));
    const won = !fresh || (old && fresh.some((choice) => !old.includes(choice)));
    if (lost) this.#add('narrowed', `${pointer}/enum`, 'takes fewer of the choices');
    if (won) this.#add('widened', `${pointer}/enum`, 'takes more choices');
  }

  #compareBounds(before: JsonObject, after: JsonObject, pointer: string): void {
    for (const [names, sign] of [
      [ceilings, 1],
      [floors, -1],
    ] as const) {
      for (const name of names) {
        const old = limitOf(before[name], sign);
        const fresh = limitOf(after[name], sign);
        if (old === fresh) continue;
        this.#add(fresh < old ? 'narrowed' : 'widened', `${pointer}/${name}`, `${name} changed`);
      }
    }
    const [old, fresh] = [before.uniqueItems === true, after.uniqueItems === true];
    if (old !== fresh) this.#add(fresh ? 'narrowed' : 'widened', `${pointer}/uniqueItems`, 'uniqueItems changed');
  }

  #compareObjects(before: JsonObject, after: JsonObject, pointer: string): void {
    const [old, fresh] = [objectOf(before.properties), objectOf(after.properties)];
    const [needed, needs] = [namesOf(before.required), namesOf(after.required)];
    for (const [name, schema] of Object.entries(old)) {
      const at = pointer + toPointer('properties', name);
      if (Object.hasOwn(fresh, name)) this.compare(schema, fresh[name], at);
      else this.#add('narrowed', at, `${name} is gone`);
    }
    for (const name of Object.keys(fresh).filter((name) => !Object.hasOwn(old, name))) {
      const kind = needs.has(name) ? 'narrowed' : 'widened';
      this.#add(
        kind,
        pointer + toPointer('properties', name),
        `${name} is new${needs.has(name) ? ' and required' : ''}`,
      );
    }
    for (const name of needs) {
      const isKnown = Object.hasOwn(old, name) || !Object.hasOwn(fresh, name);
      if (!needed.has(name) && isKnown) this.#add('narrowed', `${pointer}/required`, `${name} is required now`);
    }
    for (const name of needed) {
      const isKept = Object.hasOwn(fresh, name) || !Object.hasOwn(old, name);
      if (!needs.has(name) && isKept) this.#add('widened', `${pointer}/required`, `${name} is optional now`);
    }
    const [rest, freshRest] = [before.additionalProperties ?? true, after.additionalProperties ?? true];
    if (rest !== freshRest) this.compare(rest, freshRest, `${pointer}/additionalProperties`);
  }

  #compareAlternatives(before: JsonObject, after: JsonObject, pointer: string): void {
    for (const name of ['anyOf', 'oneOf', 'allOf']) {
      const [old, fresh] = [textsOf(before[name], this.before), textsOf(after[name], this.after)];
      const lost = old ? old.some((text) => !fresh?.includes(text)) : false;
      const won = fresh ? fresh.some((text) => !old?.includes(text)) : false;
      const at = `${pointer}/${name}`;
      // Every part of an allOf narrows; every part of the others widens, and the first of them narrows.
      const demands = name === 'allOf' || !old || !fresh;
      if (lost) this.#add(demands ? 'widened' : 'narrowed', at, `a part of ${name} is gone or changed`);
      if (won) this.#add(demands ? 'narrowed' : 'widened', at, `a part of ${name} is new or changed`);
    }
  }

  #compareOthers(before: JsonObject, after: JsonObject, pointer: string): void {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (handled.has(name) || same(before[name], after[name])) continue;
      if (name.startsWith('x-')) this.#add('described', `${pointer}/${name}`, `${name} changed`);
      else if (after[name] === undefined) this.#add('widened', pointer + toPointer(name), `${name} is gone`);
      else
        this.#add(
          'narrowed',
          pointer + toPointer(name),
          `${name} ${before[name] === undefined ? 'is new' : 'changed'}`,
        );
    }
  }
}

function follow(schema: Json | undefined, root: JsonSchema, depth = 0): Json | undefined {
  if (!isReference(schema) || depth > 20) return schema;
  const { $ref, ...beside } = schema;
  let target: Json | undefined = root;
  for (const token of parsePointer(decodeURIComponent(String($ref)).replace(/^#/, ''))) {
    const holder: Json | undefined = target;
    target = Array.isArray(holder) ? holder[Number(token)] : objectOf(holder)[token];
  }
  const followed = follow(target, root, depth + 1);
  return isJsonObject(followed) ? { ...followed, ...beside } : followed;
}

function isReference(schema: Json | undefined): schema is JsonObject {
  return isJsonObject(schema) && typeof schema.$ref === 'string' && schema.$ref.startsWith('#');
}

const everyType = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];

function typesOf({ type }: JsonObject): readonly string[] {
  const types = type === undefined ? everyType : (Array.isArray(type) ? type : [type]).map(String);
  return types.includes('number') && !types.includes('integer') ? [...types, 'integer'] : types;
}

function choicesOf({ enum: choices, const: only }: JsonObject): readonly string[] | undefined {
  if (only !== undefined) return [JSON.stringify(only)];
  return Array.isArray(choices) ? choices.map((choice: Json) => JSON.stringify(choice)) : undefined;
}

function limitOf(value: Json | undefined, sign: 1 | -1): number {
  return typeof value === 'number' ? sign * value : Number.POSITIVE_INFINITY;
}

// The parts are told apart by what they come to, so that a renamed definition changes nothing.
function textsOf(value: Json | undefined, root: JsonSchema): readonly string[] | undefined {
  return Array.isArray(value) ? value.map((part: Json) => JSON.stringify(sorted(follow(part, root) ?? {}))) : undefined;
}

function same(one: Json | undefined, other: Json | undefined): boolean {
  return JSON.stringify(sorted(one ?? null)) === JSON.stringify(sorted(other ?? null));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}

function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function namesOf(value: Json | undefined): ReadonlySet<string> {
  return new Set(Array.isArray(value) ? value.map(String) : []);
}
