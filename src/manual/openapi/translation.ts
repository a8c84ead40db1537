import { isJsonObject, type Json, type JsonObject, type JsonSchema } from '../../core/index.js';
import { compilePattern, sanitizeKeyword } from '../../schema/index.js';
import { settleSchema } from '../schema.js';
import type { References } from './reference.js';
import { findShared, type Sharing } from './sharing.js';
import { pick } from './value.js';

/** Which way a schema's values travel: `readOnly` properties are no input, `writeOnly` ones no output. */
export type Direction = 'input' | 'output';

/** What could not be said in JSON Schema and was left out, by a short reason. */
export interface TranslationProblem {
  readonly kind: 'reference' | 'pattern' | 'size';
  readonly subject: string;
}

export interface Translation {
  readonly schema: JsonSchema;
  readonly problems: readonly TranslationProblem[];
}

// OpenAPI's own keywords, and what would give a tool's schema an identity or a dialect of its own.
const dropped = new Set([
  ...['nullable', 'discriminator', 'xml', 'externalDocs', 'example', 'readOnly', 'writeOnly', 'collectionFormat'],
  ...['$schema', '$id', 'id', '$anchor', '$dynamicRef', '$dynamicAnchor', '$comment', '$vocabulary', 'allowEmptyValue'],
]);
const schemaMaps = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
const values = new Set(['enum', 'const', 'default', 'examples', 'required', 'type', 'dependentRequired']);
const annotations = new Set(['description', 'title', 'default', 'deprecated', 'summary', 'examples', 'example']);
const longestExample = 300;
/**
 * About how many characters one schema may come to. Some documents connect every component with every other: written out
 * for each of a thousand operations, they would come to gigabytes. What is nearest to the root is written first.
 */
const largest = 120_000;

/**
 * Turns an OpenAPI schema (2.0, 3.0 or 3.1) into one self-contained JSON schema that every official client accepts. A
 * component is written in place where it is used once; one that is used again, or that contains itself, stands in
 * `$defs` (the clients of TypeScript, Python and Go carry both unread). A schema longer than `largest` ends in
 * open schemas there, and the problem `size` says so.
 */
export function translateSchema(schema: Json, direction: Direction, references: References): Translation {
  const key = `${direction} ${JSON.stringify(schema)}`;
  const known = done.get(references) ?? new Map<string, Translation>();
  done.set(references, known);
  const translation =
    known.get(key) ?? new Translator(direction, references, findShared(schema, direction, references)).run(schema);
  known.set(key, translation);
  return translation;
}

/** By document: many operations answer with the same. They share one schema then, which is translated and checked once. */
const done = new WeakMap<References, Map<string, Translation>>();

class Translator {
  readonly #names = new Map<string, string>();
  readonly #pending: string[] = [];
  readonly #problems = new Map<string, TranslationProblem>();
  #length = 0;

  constructor(
    readonly direction: Direction,
    readonly references: References,
    readonly shared: ReadonlyMap<string, Sharing>,
  ) {}

  run(schema: Json): Translation {
    const root = this.#node(schema, none, true);
    const definitions: [string, JsonObject][] = [];
    for (let reference = this.#pending.shift(); reference !== undefined; reference = this.#pending.shift()) {
      definitions.push([this.#nameOf(reference), this.#node(this.references.target(reference) ?? {}, none)]);
    }
    definitions.sort(([one], [other]) => (one < other ? -1 : 1));
    const whole = definitions.length > 0 ? { ...root, $defs: Object.fromEntries(definitions) } : root;
    return { schema: settleSchema(whole), problems: [...this.#problems.values()] };
  }

  /** `hidden`: properties that an enclosing `allOf` marks as travelling the other way. */
  #node(schema: Json, hidden: ReadonlySet<string>, isRoot = false): JsonObject {
    if (schema === false) return { not: {} };
    if (!isJsonObject(schema)) return {};
    if (this.#isFull(schema)) return pick(schema, ['type']);
    if (typeof schema.$ref === 'string') return this.#reference(schema, schema.$ref, hidden);
    // Parameters are given by the caller even where a component that they share is read-only elsewhere.
    const own = isRoot && this.direction === 'input' ? none : this.#hiddenIn(schema, hidden);
    const members: [string, Json][] = [];
    for (const [key, value] of Object.entries(schema)) {
      const kept = this.#isDropped(key) ? undefined : this.#keyword(key, value, own);
      // Alternatives often overlap in real answers, which `oneOf` would refuse.
      if (kept !== undefined) members.push([key === 'oneOf' && this.#relaxes(schema) ? 'anyOf' : key, kept]);
    }
    return this.#finish(Object.fromEntries(members), schema);
  }

  #isDropped(key: string): boolean {
    if (key === sanitizeKeyword) return this.direction === 'output';
    return key.startsWith('x-') || dropped.has(key);
  }

  #relaxes(schema: JsonObject): boolean {
    return this.direction === 'output' && schema.anyOf === undefined;
  }

  #keyword(key: string, value: Json, hidden: ReadonlySet<string>): Json | undefined {
    if (key === 'properties' && isJsonObject(value)) {
      const visible = Object.entries(value).filter(([name]) => !hidden.has(name));
      return Object.fromEntries(visible.map(([name, child]) => [name, this.#node(child, none)]));
    }
    if (key === 'required' && Array.isArray(value)) {
      return value.filter((name: Json) => typeof name !== 'string' || !hidden.has(name));
    }
    if (key === 'allOf' && Array.isArray(value)) return value.map((child: Json) => this.#node(child, hidden));
    if (key === 'pattern') return this.#pattern(value);
    if (key === 'type' && value === 'file') return 'string';
    if (key === 'examples') return this.direction === 'input' ? keepExamples(value) : undefined;
    if (values.has(key)) return value;
    if (schemaMaps.has(key) && isJsonObject(value)) {
      return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, this.#node(child, none)]));
    }
    if (Array.isArray(value))
      return value.map((child: Json) => (isJsonObject(child) ? this.#node(child, none) : child));
    return isJsonObject(value) ? this.#node(value, none) : value;
  }

  #isFull(schema: JsonObject): boolean {
    if (this.#length > largest) {
      this.#problems.set('', { kind: 'size', subject: '' });
      return true;
    }
    for (const [key, value] of Object.entries(schema)) {
      this.#length += key.length + (typeof value === 'string' ? value.length : 0) + 4;
    }
    return false;
  }

  #reference(schema: JsonObject, reference: string, hidden: ReadonlySet<string>): JsonObject {
    const target = this.references.target(reference);
    if (!target) {
      this.#problems.set(reference, { kind: 'reference', subject: reference });
      return {};
    }
    const beside = Object.entries(schema).filter(([key]) => annotations.has(key) && key !== 'summary');
    const sharing = this.shared.get(reference);
    // What an `allOf` hides is particular to it, so a component is written in place there unless it never ended.
    const inPlace = sharing === undefined || (sharing === 'repeated' && hidden.size > 0);
    const translated = inPlace ? this.#node(target, hidden) : { $ref: `#/$defs/${this.#nameOf(reference)}` };
    const whole = { ...translated, ...this.#node(Object.fromEntries(beside), none) };
    return schema.nullable === true ? admitNull(whole) : whole;
  }

  #finish(schema: JsonObject, source: JsonObject): JsonObject {
    const example = source.example ?? undefined;
    const shown =
      example !== undefined && schema.examples === undefined && this.direction === 'input'
        ? keepExamples([example])
        : undefined;
    const whole = shown === undefined ? schema : { ...schema, examples: shown };
    return source.nullable === true || source['x-nullable'] === true ? admitNull(whole) : whole;
  }

  #pattern(value: Json): Json | undefined {
    if (typeof value !== 'string') return undefined;
    try {
      compilePattern(value);
      return value;
    } catch {
      // Look-around and the like; the upstream judges such a text by itself.
      this.#problems.set(value, { kind: 'pattern', subject: value });
      return undefined;
    }
  }

  #nameOf(reference: string): string {
    const known = this.#names.get(reference);
    if (known !== undefined) return known;
    const last = decodeURIComponent(reference.slice(reference.lastIndexOf('/') + 1)).replace(/\W+/g, '_') || 'schema';
    const taken = new Set(this.#names.values());
    let name = last;
    for (let number = 2; taken.has(name); number++) name = `${last}_${number}`;
    this.#names.set(reference, name);
    this.#pending.push(reference);
    return name;
  }

  /** Names of the properties that do not travel this way, of the schema and of what its `allOf` puts together. */
  #hiddenIn(schema: JsonObject, inherited: ReadonlySet<string>, depth = 0): ReadonlySet<string> {
    const parts = Array.isArray(schema.allOf) ? schema.allOf : [];
    if (!isJsonObject(schema.properties) && parts.length === 0) return inherited;
    const marker = this.direction === 'input' ? 'readOnly' : 'writeOnly';
    const hidden = new Set(inherited);
    for (const [name, child] of Object.entries(isJsonObject(schema.properties) ? schema.properties : {})) {
      if (this.references.follow(child)?.[marker] === true) hidden.add(name);
    }
    for (const part of depth < 5 ? parts : []) {
      const target = this.references.follow(part);
      for (const name of target ? this.#hiddenIn(target, none, depth + 1) : none) hidden.add(name);
    }
    return hidden;
  }
}

const none: ReadonlySet<string> = new Set();

function admitNull(schema: JsonObject): JsonObject {
  const { type, enum: choices, ...rest } = schema;
  const list = Array.isArray(choices) && !choices.includes(null) ? [...choices, null] : choices;
  const widened = list === undefined ? {} : { enum: list };
  if (typeof type === 'string') return { type: [type, 'null'], ...rest, ...widened };
  if (Array.isArray(type)) return { type: type.includes('null') ? type : [...type, 'null'], ...rest, ...widened };
  const { description, title, default: fallback, examples, deprecated, ...asserted } = schema;
  if (Object.keys(asserted).length === 0) return schema;
  const kept = { description, title, default: fallback, examples, deprecated };
  return { ...withoutUndefined(kept), anyOf: [asserted, { type: 'null' }] };
}

function withoutUndefined(members: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(members).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  );
}

// Examples help an agent to choose; a page of them helps nobody and is sent with every manual.
function keepExamples(value: Json): Json | undefined {
  const list = Array.isArray(value) ? value : [];
  const short = list.filter((item: Json) => JSON.stringify(item).length <= longestExample).slice(0, 2);
  return short.length > 0 ? short : undefined;
}
