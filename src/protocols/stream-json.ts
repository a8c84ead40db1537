import { GatehouseError, type StreamItem } from '../core/index.js';
import { isJson } from './text-result.js';

/**
 * What an upstream's text must be: `json` (anything else is refused), `text` (always handed on as a JSON string), or
 * `auto` (JSON stays JSON, anything else becomes a JSON string).
 */
export type TextFormat = 'json' | 'text' | 'auto';

/** A text as one JSON text without line breaks. Throws `upstream_invalid` when the format asks for JSON and it is none. */
export function toJsonText(text: string, format: TextFormat): string {
  if (format === 'text') return JSON.stringify(text);
  if (isJson(text)) {
    // Outside of strings a line break is white space, and inside of them JSON allows none: so the authored text, with
    // its numbers as they were written, stays. A separator that is no JSON white space can't stand here.
    return text.includes('\n') || text.includes('\r') ? text.replace(/[\r\n]+/g, ' ') : text;
  }
  if (format === 'auto') return JSON.stringify(text);
  throw new GatehouseError('upstream_invalid', {
    detail: 'The upstream sent data that is not JSON.',
    reason: 'not_json',
  });
}

/** Bytes as JSON: `{"base64":"…"}`, the one form that every client can take. */
function toBase64Json(bytes: Buffer): string {
  return `{"base64":"${bytes.toString('base64')}"}`;
}

/** An item's JSON text: its own, or its bytes as base64. */
export function itemToJson(item: StreamItem): string {
  return typeof item.data === 'string' ? item.data : toBase64Json(item.data);
}

/** The collected twin of a stream: one JSON array of its items, in order. Settles as the stream does. */
export async function collectJsonArray(items: AsyncIterable<StreamItem>): Promise<Buffer> {
  const texts: string[] = [];
  for await (const item of items) texts.push(itemToJson(item));
  return Buffer.from(`[${texts.join(',')}]`);
}
