import { isJsonObject, type Json, type JsonObject, type JsonSchema } from '../core/index.js';
import { maxDepth } from './measure.js';
import { findWithin, readStructure, type SchemaStructure, sanitizeKeyword } from './structure.js';

/** Cleans a JSON object as its schema says; gives the same object where nothing was to be cleaned, never changes it. */
export type Sanitizer = (value: JsonObject) => JsonObject;

/** What `x-sanitize` may name: each turns a text into a text, in linear time, and changes nothing when it runs again. */
export const sanitizers = {
  trim: (text: string) => text.trim(),
  // Tab and line ends are how texts are laid out; every other control character has no meaning in one.
  strip_control: (text: string) => text.replace(/[^\P{Cc}\t\n\r]/gu, ''),
  // What is left when the tags are gone can be a tag again (`<<b>script>`), so no bracket stays.
  strip_html: (text: string) => text.replace(/<[^<>]*>/g, '').replace(/[<>]/g, ''),
  normalize_nfc: (text: string) => text.normalize('NFC'),
} as const;

type Clean = (text: string) => string;

/** The sanitizer of a schema that `describeBadSanitizer` has nothing against; undefined where none is named. */
export function createSanitizer(root: JsonSchema): Sanitizer | undefined {
  if (readStructure(root).sanitized.size === 0) return undefined;
  const cleaner = new Cleaner(root);
  return (value) => {
    const clean = cleaner.clean(root, value, 0);
    return isJsonObject(clean) ? clean : value;
  };
}

/**
 * Says what is wrong with the `x-sanitize` of a schema: a name that is none, a value that can be no string, or a place
 * where no argument is ever cleaned, since a sanitizer that silently does nothing is worse than none.
 */
export function describeBadSanitizer(root: JsonSchema, { sanitized }: SchemaStructure): string | undefined {
  if (sanitized.size === 0) return undefined;
  const reached = new Cleaner(root).reach();
  for (const [schema, pointer] of sanitized) {
    const place = `${pointer}/${sanitizeKeyword}`;
    const named = schema[sanitizeKeyword];
    if (!Array.isArray(named) || named.length === 0 || !named.every(isSanitizer)) {
      return `${place}: must be a list of ${Object.keys(sanitizers).join(', ')}.`;
    }
    if (!mayBeText(schema.type)) return `${place}: only a string can be sanitized.`;
    if (!reached.has(schema)) return `${place}: has no effect here; write it where properties, items or $ref lead.`;
  }
  return undefined;
}

function isSanitizer(name: unknown): name is keyof typeof sanitizers {
  return typeof name === 'string' && Object.hasOwn(sanitizers, name);
}

function mayBeText(type: Json | undefined): boolean {
  return type === undefined || type === 'string' || (Array.isArray(type) && type.includes('string'));
}

/** Follows a schema and a value down together: properties, items, `allOf` and references within the schema. */
class Cleaner {
  readonly #levels = new Map<JsonObject, readonly JsonObject[]>();

  constructor(readonly root: JsonSchema) {}

  clean(schema: JsonObject, value: Json, depth: number): Json {
    // Deeper values are refused by the validator, which comes next.
    if (depth > maxDepth) return value;
    let clean = value;
    for (const one of this.#level(schema)) clean = this.#cleanBy(one, clean, depth);
    return clean;
  }

  /** Every schema that some value is cleaned by. */
  reach(): ReadonlySet<JsonObject> {
    const reached = new Set<JsonObject>();
    const open: JsonObject[] = [this.root];
    for (let schema = open.pop(); schema; schema = open.pop()) {
      for (const one of this.#level(schema)) {
        if (reached.has(one)) continue;
        reached.add(one);
        open.push(...children(one));
      }
    }
    return reached;
  }

  #cleanBy(schema: JsonObject, value: Json, depth: number): Json {
    if (typeof value === 'string') return cleanersOf(schema).reduce((text, clean) => clean(text), value);
    if (Array.isArray(value)) {
      const items: readonly Json[] = value;
      return mapChanged(items, (item, index) => this.#cleanChild(itemSchema(schema, index), item, depth));
    }
    if (!isJsonObject(value)) return value;
    const members = Object.entries(value);
    const clean = mapChanged<[string, Json]>(members, (member) => {
      const [name, old] = member;
      const fresh = this.#cleanChild(memberSchema(schema, name), old, depth);
      return fresh === old ? member : [name, fresh];
    });
    return clean === members ? value : Object.fromEntries(clean);
  }

  #cleanChild(schema: Json | undefined, value: Json, depth: number): Json {
    return isJsonObject(schema) ? this.clean(schema, value, depth + 1) : value;
  }

  // A schema and all that its references and `allOf` apply to the same value, each once.
  #level(schema: JsonObject): readonly JsonObject[] {
    const known = this.#levels.get(schema);
    if (known) return known;
    const level = new Set<JsonObject>([schema]);
    for (const one of level) {
      const target = typeof one.$ref === 'string' ? findWithin(this.root, one.$ref) : undefined;
      const others: readonly unknown[] = [target, ...(Array.isArray(one.allOf) ? one.allOf : [])];
      for (const other of others) if (isJsonObject(other)) level.add(other);
    }
    const found = [...level];
    this.#levels.set(schema, found);
    return found;
  }
}

function cleanersOf(schema: JsonObject): readonly Clean[] {
  const named = schema[sanitizeKeyword];
  return Array.isArray(named) ? named.filter(isSanitizer).map((name) => sanitizers[name]) : [];
}

function memberSchema({ properties, additionalProperties }: JsonObject, name: string): Json | undefined {
  if (isJsonObject(properties) && Object.hasOwn(properties, name)) return properties[name];
  return additionalProperties;
}

function itemSchema({ items, prefixItems }: JsonObject, index: number): Json | undefined {
  const tuple = Array.isArray(prefixItems) ? prefixItems : items;
  if (!Array.isArray(tuple)) return items;
  return tuple[index] ?? (Array.isArray(items) ? undefined : items);
}

function children({ properties, additionalProperties, items, prefixItems }: JsonObject): readonly JsonObject[] {
  const lists = [items, prefixItems].flatMap((value) => (Array.isArray(value) ? value : []));
  const named = isJsonObject(properties) ? Object.values(properties) : [];
  return [...named, additionalProperties, items, ...lists].filter(isJsonObject);
}

function mapChanged<T>(list: readonly T[], change: (item: T, index: number) => T): readonly T[] {
  const changed = list.map(change);
  return changed.every((item, index) => item === list[index]) ? list : changed;
}
