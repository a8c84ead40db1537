import { isJsonObject, type Json, type JsonObject, toPointer } from '../../core/index.js';
import type { ToolSource } from './rule.js';

const schemaMaps = ['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'];
const schemaLists = ['anyOf', 'allOf', 'oneOf', 'prefixItems'];
const schemas = [
  ...['items', 'additionalProperties', 'additionalItems', 'unevaluatedProperties', 'unevaluatedItems', 'not'],
  ...['if', 'then', 'else', 'contains', 'propertyNames', 'contentSchema'],
];

/** A schema inside a tool's inputs or outputs. */
export interface SchemaNode {
  readonly schema: Json;
  readonly pointer: string;
  /** What it stands under; empty for the inputs and outputs themselves. */
  readonly keyword: string;
  readonly side: 'inputs' | 'outputs';
}

const nodes = new WeakMap<ToolSource, readonly SchemaNode[]>();

/** Every schema of a tool's inputs and outputs; found once, since many rules ask. */
export function schemaNodesOf(source: ToolSource): readonly SchemaNode[] {
  const known = nodes.get(source);
  if (known) return known;
  const found: SchemaNode[] = [];
  for (const side of ['inputs', 'outputs'] as const) {
    const schema = source.tool[side];
    if (schema !== undefined) collectNodes({ schema, pointer: `${source.pointer}/${side}`, keyword: '', side }, found);
  }
  nodes.set(source, found);
  return found;
}

function collectNodes(node: SchemaNode, found: SchemaNode[]): void {
  found.push(node);
  const { schema, pointer, side } = node;
  if (!isJsonObject(schema)) return;
  const inner = (child: Json, keyword: string, path: string) =>
    collectNodes({ schema: child, pointer: pointer + path, keyword, side }, found);
  for (const map of schemaMaps) {
    for (const [name, child] of Object.entries(objectOf(schema[map]))) inner(child, map, toPointer(map, name));
  }
  for (const list of [...schemaLists, 'items']) {
    const children = schema[list];
    if (!Array.isArray(children)) continue;
    for (const [index, child] of children.entries()) inner(child, list, `/${list}/${index}`);
  }
  for (const name of schemas) {
    const child = schema[name];
    if (child !== undefined && !Array.isArray(child)) inner(child, name, `/${name}`);
  }
}

/** The inputs and outputs of a tool, where they are there. */
export function schemasOf({
  tool,
  pointer,
}: ToolSource): readonly { readonly schema: JsonObject; readonly pointer: string }[] {
  return ['inputs', 'outputs'].flatMap((side) => {
    const schema = tool[side];
    return isJsonObject(schema) ? [{ schema, pointer: pointer + toPointer(side) }] : [];
  });
}

/** A text that an agent reads: descriptions, titles, tags, and the values that a schema shows. */
export interface ReadText {
  readonly text: string;
  readonly pointer: string;
}

const readTexts = new WeakMap<ToolSource, readonly ReadText[]>();
const textMembers = ['title', 'description', 'default', 'examples', 'enum', 'const', '$comment'];

/** Every text of a tool that reaches an agent's context; found once, since many rules ask. */
export function textsOf(source: ToolSource): readonly ReadText[] {
  const known = readTexts.get(source);
  if (known) return known;
  const texts: ReadText[] = [];
  const take = (value: Json | undefined, pointer: string) => {
    if (value !== undefined) visitTexts(value, pointer, (text, at) => texts.push({ text, pointer: at }));
  };
  take(source.tool.description, `${source.pointer}/description`);
  take(source.tool.tags, `${source.pointer}/tags`);
  for (const { schema, pointer } of schemaNodesOf(source)) {
    if (isJsonObject(schema)) for (const key of textMembers) take(schema[key], `${pointer}/${key}`);
  }
  readTexts.set(source, texts);
  return texts;
}

/** Calls `visit` with every text inside a value; `name` is the nearest member's name. */
export function visitTexts(
  value: Json,
  pointer: string,
  visit: (text: string, pointer: string, name: string) => void,
  name = '',
): void {
  if (typeof value === 'string') visit(value, pointer, name);
  else if (isJsonObject(value)) {
    for (const [key, member] of Object.entries(value)) visitTexts(member, pointer + toPointer(key), visit, key);
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) visitTexts(item, pointer + toPointer(index), visit, name);
  }
}

/** The names of a tool's inputs. */
export function inputsOf({ tool }: ToolSource): JsonObject {
  return objectOf(objectOf(tool.inputs).properties);
}

/** The value as an object; an empty one for anything else. */
export function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** Says whether a schema has a type among its types. */
export function hasType(schema: JsonObject, type: string): boolean {
  return schema.type === type || (Array.isArray(schema.type) && schema.type.includes(type));
}
