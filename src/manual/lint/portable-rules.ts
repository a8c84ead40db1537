import { isJsonObject, type Json, type JsonObject } from '../../core/index.js';
import { normalizeSchema } from '../schema.js';
import type { Rule, RuleContext } from './rule.js';
import { schemaNodesOf } from './walk.js';

const lengths = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'];
const mayBeBoolean = new Set(['additionalProperties', 'additionalItems', 'unevaluatedProperties', 'unevaluatedItems']);

/** Reports each subschema that a test finds fault with, with the fix that rewrites it as all clients take it. */
function checkEach(
  { tools, report }: RuleContext,
  describe: (schema: Json, keyword: string) => string | undefined,
): void {
  for (const source of tools) {
    for (const { schema, pointer, keyword } of schemaNodesOf(source)) {
      const message = describe(schema, keyword);
      if (message !== undefined) report(pointer, message, { fix: { pointer, value: normalizeSchema(schema) } });
    }
  }
}

export const portableRules: readonly Rule[] = [
  {
    id: 'schema-boolean',
    severity: 'error',
    why: 'Official clients know no boolean in place of a schema, and reject the whole manual.',
    mend: 'Write {} for true and {"not": {}} for false.',
    check: (context) =>
      checkEach(context, (node, keyword) =>
        typeof node === 'boolean' && !mayBeBoolean.has(keyword) ? `A schema is ${node}.` : undefined,
      ),
  },
  {
    id: 'schema-type',
    severity: 'error',
    why: 'Official clients know the seven types of JSON Schema, and reject the whole manual for another.',
    mend: 'Use string, number, integer, boolean, object, array or null; leave type out for anything.',
    check: (context) =>
      checkEach(context, (node) => {
        if (!isJsonObject(node) || node.type === undefined) return undefined;
        return normalizeSchema({ type: node.type }).type === undefined && !isUnion(node)
          ? `${JSON.stringify(node.type)} is no type.`
          : undefined;
      }),
  },
  {
    id: 'schema-required',
    severity: 'error',
    why: 'Official clients read required as a list of names, and reject the whole manual for a boolean.',
    mend: 'List the names of required properties in required of the object.',
    check: (context) =>
      checkEach(context, (node) => {
        const marked = isJsonObject(node) ? markedProperties(node) : [];
        if (marked.length === 0) return undefined;
        return `${marked.join(', ')} ${marked.length === 1 ? 'says' : 'say'} required: a boolean.`;
      }),
  },
  {
    id: 'schema-length',
    severity: 'error',
    why: 'The official Python client takes whole lengths alone, and rejects the whole manual.',
    mend: 'Write a whole number.',
    check: (context) =>
      checkEach(context, (node) => {
        if (!isJsonObject(node)) return undefined;
        const bad = lengths.find((name) => node[name] !== undefined && !Number.isInteger(node[name]));
        return bad === undefined ? undefined : `${bad} is no whole number.`;
      }),
  },
];

function isUnion(node: JsonObject): boolean {
  return (
    Array.isArray(node.type) &&
    isJsonObject(normalizeSchema({ type: node.type })) &&
    'anyOf' in normalizeSchema({ type: node.type })
  );
}

function markedProperties(node: JsonObject): readonly string[] {
  if (!isJsonObject(node.properties)) return [];
  return Object.entries(node.properties)
    .filter(([, child]) => isJsonObject(child) && typeof child.required === 'boolean')
    .map(([name]) => name);
}
