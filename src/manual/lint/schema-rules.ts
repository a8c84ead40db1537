import { isJsonObject, type JsonObject, toPointer } from '../../core/index.js';
import { compilePattern, createSchemaCompiler } from '../../schema/index.js';
import { normalizeSchema } from '../schema.js';
import { describeBacktracking } from './backtracking.js';
import type { Rule, RuleContext } from './rule.js';
import { hasType, inputsOf, objectOf, schemaNodesOf, schemasOf } from './walk.js';

/** Calls `visit` with each schema that a caller's arguments are held to. */
function visitInputs(
  { tools }: RuleContext,
  visit: (schema: JsonObject, pointer: string, keyword: string) => void,
): void {
  for (const source of tools) {
    for (const { schema, pointer, keyword, side } of schemaNodesOf(source)) {
      // What is forbidden or only a condition bounds nothing by itself.
      const judges = side === 'inputs' && !/\/(not|if|propertyNames)(\/|$)/.test(pointer);
      if (judges && isJsonObject(schema)) visit(schema, pointer, keyword);
    }
  }
}

/** Calls `visit` with each pattern of a schema. */
function visitPatterns({ tools }: RuleContext, visit: (pattern: string, pointer: string) => void): void {
  for (const source of tools) {
    for (const { schema, pointer } of schemaNodesOf(source)) {
      if (isJsonObject(schema) && typeof schema.pattern === 'string') visit(schema.pattern, `${pointer}/pattern`);
    }
  }
}

const boundedFormats = new Set(['date', 'time', 'date-time', 'duration', 'uuid', 'ipv4', 'ipv6', 'email', 'hostname']);
const composed = new Set(['allOf', 'anyOf', 'oneOf', 'then', 'else', 'dependentSchemas']);

export const schemaRules: readonly Rule[] = [
  {
    id: 'schema-unusable',
    severity: 'error',
    why: 'A schema that fits no draft judges nothing, and the manual does not load.',
    mend: 'Write JSON Schema of draft-07 or 2020-12 whose references stay within it.',
    check: ({ tools, report }) => {
      const compiler = createSchemaCompiler();
      for (const source of tools) {
        for (const { schema, pointer } of schemasOf(source)) {
          const problem = compiler.check(normalizeSchema(schema));
          if (problem === undefined || problem.includes('linear time')) continue;
          const [, at = '', message = problem] = /^(\S*): (.*)$/.exec(problem) ?? [];
          report(pointer + at, `The schema ${message}`);
        }
      }
    },
  },
  {
    id: 'input-open',
    severity: 'warning',
    why: 'An argument that nobody declared passes the check and reaches the upstream.',
    mend: 'Write additionalProperties: false.',
    check: (context) =>
      visitInputs(context, (node, pointer, keyword) => {
        const isObject = keyword === '' || hasType(node, 'object') || isJsonObject(node.properties);
        const closed = node.additionalProperties !== undefined || node.unevaluatedProperties !== undefined;
        if (!isObject || closed || composed.has(keyword) || typeof node.$ref === 'string') return;
        const isRoot = keyword === '';
        context.report(pointer, `${isRoot ? 'The inputs take' : 'The object takes'} members that are not declared.`, {
          severity: isRoot ? 'warning' : 'info',
        });
      }),
  },
  {
    id: 'string-unbounded',
    severity: 'warning',
    why: 'A text without a bound lets a caller send as much as the server takes, and inject as much as the upstream reads.',
    mend: 'Set maxLength, an enum, or a format or pattern that bounds it.',
    check: (context) =>
      visitInputs(context, (node, pointer) => {
        if (!hasType(node, 'string')) return;
        const isBounded =
          node.maxLength !== undefined ||
          node.enum !== undefined ||
          node.const !== undefined ||
          boundedFormats.has(String(node.format)) ||
          (typeof node.pattern === 'string' && /^\^[^*+]*\$$/.test(node.pattern) && !/\{\d*,\}/.test(node.pattern));
        if (!isBounded) context.report(pointer, 'The text has no greatest length.');
      }),
  },
  {
    id: 'array-unbounded',
    severity: 'warning',
    why: 'A list without a bound lets one call ask for any amount of work.',
    mend: 'Set maxItems.',
    check: (context) =>
      visitInputs(context, (node, pointer) => {
        if (!hasType(node, 'array') || node.maxItems !== undefined) return;
        if (node.prefixItems !== undefined && node.items === false) return;
        context.report(pointer, 'The list has no greatest length.');
      }),
  },
  {
    id: 'pattern-unusable',
    severity: 'error',
    why: 'Patterns run in linear time here, so look-around and back-references do not exist; the manual does not load.',
    mend: 'Write the pattern without them.',
    check: (context) =>
      visitPatterns(context, (pattern, pointer) => {
        if (!compiles(pattern)) context.report(pointer, 'The pattern cannot be used.');
      }),
  },
  {
    id: 'pattern-backtracking',
    severity: 'warning',
    why: 'In clients whose engine backtracks, one crafted text keeps such a pattern busy for minutes (ReDoS).',
    mend: 'Let no two repetitions match the same characters side by side or inside each other.',
    check: (context) =>
      visitPatterns(context, (pattern, pointer) => {
        const problem = describeBacktracking(pattern);
        if (problem !== undefined) context.report(pointer, `The pattern ${problem}.`);
      }),
  },
  {
    id: 'tool-undescribed',
    severity: 'warning',
    why: 'An agent chooses a tool by its description; without one it guesses.',
    mend: 'Say in a sentence what the tool does.',
    check: ({ tools, report }) => {
      for (const { name, tool, pointer } of tools) {
        if (String(tool.description ?? '').trim() === '') report(pointer, `${name} has no description.`);
      }
    },
  },
  {
    id: 'input-undescribed',
    severity: 'info',
    why: 'An agent fills an argument in by its description; without one it guesses.',
    mend: 'Add a description to the property.',
    check: ({ tools, report }) => {
      for (const source of tools) {
        for (const [name, schema] of Object.entries(inputsOf(source))) {
          const { description, title, $ref } = objectOf(schema);
          if (description !== undefined || title !== undefined || $ref !== undefined) continue;
          report(`${source.pointer}/inputs/properties${toPointer(name)}`, `${name} has no description.`);
        }
      }
    },
  },
];

function compiles(pattern: string): boolean {
  try {
    compilePattern(pattern);
    return true;
  } catch {
    // What it throws says why; the rule's text does so in plain words.
    return false;
  }
}
