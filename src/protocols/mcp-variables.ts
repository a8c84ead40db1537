import { createHash } from 'node:crypto';
import { compileText, type SubstitutionContext } from '../variables/index.js';
import type { McpBinding } from './mcp-launch.js';

/** Puts the variables into a text. A server is shared by many calls: no argument of one can stand in it. */
export function fill(text: string, context: SubstitutionContext, binding: McpBinding, pointer: string): string {
  const { variables, file } = binding;
  const compiled = compileText(text, { context, inputs: {}, variables, file, pointer: binding.pointer + pointer });
  return compiled.constant ?? '';
}

/** A key that tells equal parts and reveals none. */
export function digest(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
