import type { CallToolResult } from '@modelcontextprotocol/client';
import { type CallResult, GatehouseError, isJsonObject } from '../core/index.js';
import type { McpAnswer } from './mcp-server.js';

const maxErrorText = 1_000;

/**
 * A tool's result as one JSON text. `structuredContent` where there is some; else the content: nothing gives null, one
 * part gives that part, several give an array. A text part is a string, and is read as JSON only where the tool declares
 * outputs and the text is an object or an array; every other part is its MCP object. Throws GatehouseError
 * `upstream_failed` (`tool_error`) for a tool that failed, `upstream_too_large` and `upstream_invalid`.
 */
export function toCallResult(answer: McpAnswer, options: ResultOptions): CallResult {
  const { result, tool } = answer;
  if (result.isError === true) throw toolError(result, options.expose_tool_errors);
  const declaresOutputs = tool.definition.outputSchema !== undefined;
  const { structuredContent = readContent(result, declaresOutputs) } = result;
  const body = Buffer.from(stringify(structuredContent));
  if (body.length > options.max_bytes) throw new GatehouseError('upstream_too_large', { reason: 'answer_too_large' });
  return { body };
}

export interface ResultOptions {
  readonly expose_tool_errors: boolean;
  readonly max_bytes: number;
}

type Content = CallToolResult['content'][number];

function readContent(result: CallToolResult, declaresOutputs: boolean): unknown {
  const parts = result.content.map((part) => readPart(part, declaresOutputs));
  return parts.length > 1 ? parts : (parts[0] ?? null);
}

function readPart(part: Content, declaresOutputs: boolean): unknown {
  if (part.type !== 'text') {
    // `_meta` is between the server and its client.
    const { _meta: _, ...shown } = part;
    return shown;
  }
  const parsed = declaresOutputs && /^\s*[[{]/.test(part.text) ? parseJson(part.text) : undefined;
  return isJsonObject(parsed) || Array.isArray(parsed) ? parsed : part.text;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A text that only begins like JSON stays a text.
    return undefined;
  }
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    // Nested deeper than the stack; nothing else that was parsed from JSON fails.
    throw new GatehouseError('upstream_invalid', { reason: 'invalid_result' });
  }
}

function toolError(result: CallToolResult, exposed: boolean): GatehouseError {
  const text = result.content.map((part) => (part.type === 'text' ? part.text : '')).join(' ');
  const shown = exposed ? stripControls(text).trim().slice(0, maxErrorText) : '';
  return new GatehouseError('upstream_failed', {
    reason: 'tool_error',
    detail: shown === '' ? 'The tool reported an error.' : `The tool reported an error: ${shown}`,
  });
}

/** A text without control, formatting and other characters that are not seen: a server's text for people and models. */
export function stripControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}]+/gu, ' ');
}
