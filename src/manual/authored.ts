import { z } from 'zod';
import {
  type AuthoredManual,
  type AuthoredTool,
  type CallTemplate,
  isJsonObject,
  type Json,
  type JsonObject,
  type JsonSchema,
  toPointer,
} from '../core/index.js';
import { toolSettingsSchema } from './config.js';
import type { SourceDocument } from './document.js';
import { Findings } from './findings.js';
import { isOldManual, migrateManual, migrateTool } from './migration.js';
import { toolName, toToolName } from './name.js';
import { utcpVersion } from './publish.js';

/** A manual as read, with where each tool stands. */
export interface ReadManual {
  readonly manual: AuthoredManual;
  /** What was dropped, renamed or assumed; never an error, which is thrown. */
  readonly notices: Findings['list'];
  readonly kind: 'utcp' | 'utcp-0.1' | 'openapi';
  /** JSON pointers into the source, by tool name. */
  readonly pointers: ReadonlyMap<string, string>;
}

const jsonObject = z.custom<JsonObject>(isJsonObject, 'must be an object');
const template = z.custom<CallTemplate>(
  (value) => isJsonObject(value) && typeof value.call_template_type === 'string',
  'must be an object with a call_template_type',
);
const toolShape = z.object({
  name: z.string('must be a text'),
  description: z.string('must be a text').default(''),
  inputs: jsonObject.optional(),
  outputs: jsonObject.optional(),
  tags: z.array(z.string('must be a text'), 'must be a list of texts').default([]),
  average_response_size: z.number('must be a number').nonnegative('must not be negative').optional(),
  tool_call_template: template,
});
const manualShape = z.object({
  utcp_version: z
    .string('must be a text')
    .regex(/^1\.\d+(\.\d+)?([-+].*)?$/, 'must be a 1.x version')
    .optional(),
  manual_version: z.string('must be a text').optional(),
  tools: z.array(jsonObject, 'must be a list of tools'),
});
const settingNames = new Set(Object.keys(toolSettingsSchema.shape));

/**
 * Reads a UTCP 1.x manual, or a 0.1 one, from a document. Tolerated with a notice: null members, unknown keys, older names,
 * names that have to be spelt otherwise. Throws LoadError of every problem at once, each with pointer and line.
 */
export function readUtcpManual(document: SourceDocument): ReadManual {
  const findings = new Findings(document);
  const source = isJsonObject(document.value) ? document.value : {};
  const old = isOldManual(source);
  const current = old ? migrateManual(source, utcpVersion, findings) : source;
  const shape = manualShape.safeParse(textVersions(dropNulls(current, '', findings, true), findings));
  if (!shape.success) reportIssues(shape.error, '', findings);
  noticeUnknownKeys(current, manualShape.shape, '', findings);
  const sources = Array.isArray(current.tools) ? current.tools : [];
  const tools = sources.map((tool, index) => readTool(tool, toPointer('tools', index), findings));
  const pointers = nameTools(tools, findings);
  findings.refuseErrors();
  const { utcp_version, manual_version } = shape.data ?? {};
  if (utcp_version === undefined || manual_version === undefined) noticeVersions(findings);
  return {
    manual: {
      utcp_version: utcp_version ?? utcpVersion,
      manual_version: manual_version ?? '1.0.0',
      tools: tools.filter((tool) => tool !== undefined),
    },
    notices: findings.list,
    kind: old ? 'utcp-0.1' : 'utcp',
    pointers,
  };
}

function readTool(source: Json, pointer: string, findings: Findings): AuthoredTool | undefined {
  if (!isJsonObject(source)) return undefined;
  const current = dropNulls(migrateTool(source, pointer, findings), pointer, findings);
  const shape = toolShape.safeParse(current);
  noticeUnknownKeys(current, toolShape.shape, pointer, findings);
  if (!shape.success) {
    reportIssues(shape.error, pointer, findings);
    return undefined;
  }
  const { inputs, outputs, average_response_size: size, name, ...rest } = shape.data;
  return {
    ...rest,
    name: spellName(name, pointer, findings),
    inputs: inputs ?? closedInputs(pointer, findings),
    ...(outputs === undefined ? {} : { outputs }),
    // Python reads whole numbers only.
    ...(size === undefined ? {} : { average_response_size: Math.round(size) }),
  };
}

function spellName(name: string, pointer: string, findings: Findings): string {
  if (toolName.test(name)) return name;
  const spelt = toToolName(name);
  if (spelt === undefined) {
    const message = `${JSON.stringify(name)} cannot be a tool's name.`;
    findings.add('error', 'tool-name', `${pointer}/name`, message, 'Use letters, digits and _.');
    return name;
  }
  const message = `${JSON.stringify(name)} is published as ${spelt}, the nearest name that every client takes.`;
  findings.add('info', 'tool-name-spelling', `${pointer}/name`, message, `Name it ${spelt}.`);
  return spelt;
}

function closedInputs(pointer: string, findings: Findings): JsonSchema {
  const message = 'The tool declares no inputs, so it takes none.';
  findings.add(
    'info',
    'tool-inputs-missing',
    pointer,
    message,
    'Declare inputs, or write inputs: {} to take anything.',
  );
  return { type: 'object', properties: {}, additionalProperties: false };
}

function nameTools(tools: readonly (AuthoredTool | undefined)[], findings: Findings): ReadonlyMap<string, string> {
  const pointers = new Map<string, string>();
  for (const [index, tool] of tools.entries()) {
    if (!tool) continue;
    const pointer = toPointer('tools', index);
    const first = pointers.get(tool.name);
    if (first !== undefined) {
      const message = `Another tool, at ${first}, has the name ${tool.name} too.`;
      findings.add('error', 'tool-name-collision', `${pointer}/name`, message, 'Rename one of the two.');
    }
    pointers.set(tool.name, first ?? pointer);
  }
  return pointers;
}

function noticeUnknownKeys(value: JsonObject, shape: object, pointer: string, findings: Findings): void {
  for (const key of Object.keys(value)) {
    if (key in shape) continue;
    const at = `${pointer}${toPointer(key)}`;
    if (pointer !== '' && settingNames.has(key)) {
      // Left out in silence, a setting that protects would fail open.
      const mend = `Move it to the configuration, under manuals[].tools.<tool>.${key}.`;
      findings.add('error', 'tool-setting-in-manual', at, `${key} is a setting and no part of a UTCP tool.`, mend);
      continue;
    }
    findings.add('warning', 'manual-unknown-key', at, `UTCP knows no ${key} here; it is left out.`, 'Remove it.');
  }
}

function noticeVersions(findings: Findings): void {
  findings.add(
    'info',
    'manual-version-missing',
    '',
    `utcp_version or manual_version is missing; ${utcpVersion} and 1.0.0 are assumed.`,
    'State both.',
  );
}

// YAML reads an unquoted 1.0 as a number.
function textVersions(manual: JsonObject, findings: Findings): JsonObject {
  const versions: Record<string, Json> = {};
  for (const key of ['utcp_version', 'manual_version']) {
    const value = manual[key];
    if (typeof value !== 'number') continue;
    versions[key] = Number.isInteger(value) ? `${value}.0` : String(value);
    findings.add('info', 'manual-version-number', `/${key}`, `${key} is a number; it is read as a text.`, 'Quote it.');
  }
  return { ...manual, ...versions };
}

const schemaValues = new Set(['enum', 'const', 'default', 'examples']);

/** Leaves out null members, save where a JSON schema means them; official clients reject a manual for one. */
function dropNulls(value: JsonObject, pointer: string, findings: Findings, shallow = false): JsonObject {
  const kept: [string, Json][] = [];
  for (const [key, member] of Object.entries(value)) {
    const at = `${pointer}${toPointer(key)}`;
    if (member === null) {
      findings.add('info', 'manual-null', at, 'A null member is left out.', 'Remove it.');
    } else if (shallow || schemaValues.has(key)) kept.push([key, member]);
    else kept.push([key, isJsonObject(member) ? dropNulls(member, at, findings) : member]);
  }
  return Object.fromEntries(kept);
}

function reportIssues(error: z.ZodError, pointer: string, findings: Findings): void {
  for (const issue of error.issues) {
    const path = issue.path.map((token) => (typeof token === 'symbol' ? token.toString() : token));
    const what = path.length > 0 ? path.join('.') : 'The document';
    findings.add(
      'error',
      'manual-shape',
      `${pointer}${toPointer(...path)}`,
      `${what} ${issue.message}.`,
      'See the UTCP manual format.',
    );
  }
}
