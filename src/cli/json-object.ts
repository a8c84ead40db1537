import { isJsonObject, type JsonObject } from '../core/index.js';
import { UsageError } from './command.js';

/** The JSON object that an option's text is. Throws UsageError that names the option. */
export function readJsonObject(text: string, option: string): JsonObject {
  const value = parse(text);
  if (!isJsonObject(value)) throw new UsageError(`${option} must be a JSON object`);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON, so no object.
    return undefined;
  }
}
