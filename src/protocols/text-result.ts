import { type CallResult, GatehouseError } from '../core/index.js';

/** A text as the result of a call: a JSON string, or the JSON that it holds. Throws `upstream_invalid`. */
export function toResult(text: string | undefined, parse: 'text' | 'json'): CallResult {
  if (text === undefined) throw new GatehouseError('upstream_invalid', { reason: 'encoding' });
  if (parse === 'text') return { body: JSON.stringify(text) };
  if (!isJson(text)) throw new GatehouseError('upstream_invalid', { reason: 'not_json' });
  return { body: text };
}

/** Whether a text is one JSON text. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // A SyntaxError is the answer; its message quotes the text and is kept from every log.
    return false;
  }
}
