import { type CallTemplate, isJsonObject, type Json, type JsonObject, type JsonSchema } from '../core/index.js';
import { countValues, maxDepth } from '../schema/index.js';
import { digestJson } from '../signing/index.js';
import { InvalidManualError } from './errors.js';

/** A tool as a provider serves it. */
export interface ServedTool {
  readonly name: string;
  readonly description: string;
  readonly inputs: JsonSchema;
  readonly outputs?: JsonSchema;
  readonly tags: readonly string[];
  readonly tool_call_template: CallTemplate;
  /** SHA-256 of the whole tool in canonical form, as `sha256:` and hexadecimal digits; what a pin compares. */
  readonly digest: string;
}

/** A manual as a provider serves it to this caller. */
export interface ServedManual {
  readonly utcp_version: string;
  readonly manual_version: string;
  readonly tools: readonly ServedTool[];
  /** SHA-256 of the whole manual in canonical form; names exactly what was read. */
  readonly digest: string;
  /** The manual as it came. */
  readonly document: JsonObject;
}

/** Reads a served manual. Members that UTCP does not know are kept and ignored. Throws InvalidManualError. */
export function parseManual(text: string): ServedManual {
  const document = parseDocument(text);
  const { utcp_version: utcpVersion, manual_version: manualVersion, tools } = document;
  if (typeof utcpVersion !== 'string') throw invalid('utcp_version is not a text');
  if (!isArray(tools)) throw invalid('tools is not an array');
  const seen = new Set<string>();
  return {
    utcp_version: utcpVersion,
    manual_version: typeof manualVersion === 'string' ? manualVersion : '1.0.0',
    tools: tools.map((tool, index) => parseTool(tool, index, seen)),
    digest: digestJson(document),
    document,
  };
}

function parseDocument(text: string): JsonObject {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw invalid('it is not JSON', error);
  }
  if (!isJsonObject(document)) throw invalid('it is not a JSON object');
  if (countValues(document) === Number.POSITIVE_INFINITY) throw invalid(`it is nested deeper than ${maxDepth} levels`);
  return document;
}

function parseTool(tool: Json, index: number, seen: Set<string>): ServedTool {
  if (!isJsonObject(tool)) throw invalid(`/tools/${index} is not an object`);
  const { name, description, inputs, outputs, tags, tool_call_template: template } = tool;
  if (typeof name !== 'string' || name === '') throw invalid(`/tools/${index}/name is not a text`);
  if (seen.has(name)) throw invalid(`/tools/${index}/name is the name of another tool`);
  seen.add(name);
  if (!isTemplate(template)) throw invalid(`/tools/${index}/tool_call_template has no call_template_type`);
  return {
    name,
    description: typeof description === 'string' ? description : '',
    inputs: isJsonObject(inputs) ? inputs : {},
    ...(isJsonObject(outputs) && { outputs }),
    tags: isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [],
    tool_call_template: template,
    digest: digestJson(tool),
  };
}

function isTemplate(value: Json | undefined): value is CallTemplate {
  return isJsonObject(value) && typeof value.call_template_type === 'string';
}

function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

function invalid(problem: string, cause?: unknown): InvalidManualError {
  return new InvalidManualError(`Invalid manual: ${problem}`, { code: 'invalid_manual', cause });
}
