import { createHash } from 'node:crypto';
import { type AuthoredTool, isJsonObject, type Json, type JsonObject } from '../core/index.js';
import type { McpToolDefinition } from './mcp-definition.js';
import type { ApprovedTool } from './mcp-pins.js';
import { type NamedServer, toListedTemplate } from './mcp-template.js';

const maxDescription = 4_000;

/**
 * A server's tools as UTCP tools, their names unique. `prefix` stands before each name, where a source has several
 * servers.
 */
export function toAuthoredTools(
  server: NamedServer,
  prefix: string,
  tools: readonly ApprovedTool[],
): readonly AuthoredTool[] {
  const names = nameTools(tools.map(({ definition }) => prefix + definition.name));
  return tools.map(({ definition, digest }, index) => ({
    name: names[index] ?? definition.name,
    description: describe(definition),
    inputs: { type: 'object', ...cleanSchema(definition.inputSchema) },
    ...(definition.outputSchema && { outputs: cleanSchema(definition.outputSchema) }),
    tags: toTags(definition),
    tool_call_template: toListedTemplate(definition.name, server, digest),
  }));
}

/**
 * The published names: every character outside `[A-Za-z0-9_]` becomes `_`. A name that was changed and is then another's
 * too ends in a digest of its own, so that which tool has which name does not depend on their order.
 */
function nameTools(originals: readonly string[]): readonly string[] {
  const spelt = originals.map((name) => name.replace(/\W/g, '_').replace(/^(?=\d)/, '_'));
  return spelt.map((name, index) => {
    const original = originals[index] ?? name;
    const isShared = spelt.indexOf(name) !== spelt.lastIndexOf(name);
    return isShared && name !== original ? `${name}_${digestName(original)}` : name;
  });
}

function digestName(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 6);
}

function describe(definition: McpToolDefinition): string {
  const text = showText(definition.description ?? definition.title ?? definition.annotations?.title ?? definition.name);
  return text.length > maxDescription ? `${text.slice(0, maxDescription)}…` : text;
}

function toTags({ annotations = {} }: McpToolDefinition): readonly string[] {
  const { readOnlyHint, destructiveHint, idempotentHint, openWorldHint } = annotations;
  return [
    'mcp',
    readOnlyHint === true ? 'read' : 'write',
    ...(destructiveHint === true && readOnlyHint !== true ? ['destructive'] : []),
    ...(idempotentHint === true ? ['idempotent'] : []),
    ...(openWorldHint === true ? ['open_world'] : []),
  ];
}

// What a person reviewing the tool does not see must not reach the model that reads it: controls but for line breaks and
// tabs, and format, private, unassigned and tag characters (a way to smuggle instructions).
function showText(text: string): string {
  return text.replace(/[^\P{C}\n\t]+/gu, '').trim();
}

const shownKeys = new Set(['description', 'title', '$comment']);

function cleanSchema(schema: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      typeof value === 'string' && shownKeys.has(key) ? showText(value) : cleanValue(value),
    ]),
  );
}

function cleanValue(value: Json): Json {
  if (isJsonObject(value)) return cleanSchema(value);
  return Array.isArray(value) ? value.map(cleanValue) : value;
}
