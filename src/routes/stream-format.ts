import { GatehouseError, type StreamItem } from '../core/index.js';
import { itemToJson } from '../protocols/stream-json.js';

/** How a stream's items stand on the wire. One instance serves one response. */
export interface StreamFormat {
  readonly content_type: string;
  /** The bytes of one item. Throws GatehouseError when the item can't stand in this format. */
  writeItem(item: StreamItem): string | Buffer;
  /** What is sent while nothing else is, so that both ends see the connection alive; undefined: nothing can be. */
  readonly heartbeat: string | undefined;
  /** Milliseconds without another item after which `flush` is asked; undefined: never. */
  readonly flush_after_ms: number | undefined;
  /** What is still owed to the reader; undefined: nothing. */
  flush(): string | undefined;
  /** The last words of a stream that does not end by itself; `problem` is a JSON text on one line. */
  writeFailure(kind: StreamFailure, problem: string): string;
  /** Whether a reader can tell from the last words that the stream is not whole; if not, the connection is cut. */
  readonly failure_is_marked: boolean;
}

/** `closing`: this server is going down. `error`: the stream failed. */
export type StreamFailure = 'closing' | 'error';

// Names and ids are no JSON and have no escape, so what is not plain ASCII is left out rather than changed.
const plainField = /^[\x20-\x7e]+$/;

/**
 * Server-sent events as every official client reads them: LF line ends, `data: ` with a space, a blank line after each
 * event, the last too, and JSON escaped to ASCII, since the Python client decodes chunk by chunk.
 */
export class EventStreamFormat implements StreamFormat {
  readonly content_type = 'text/event-stream';
  readonly heartbeat = ':\n\n';
  readonly flush_after_ms = undefined;
  readonly failure_is_marked = true;

  writeItem(item: StreamItem): string {
    const event = item.event && item.event !== 'message' && plainField.test(item.event) ? `event: ${item.event}\n` : '';
    const id = item.id && plainField.test(item.id) ? `id: ${item.id}\n` : '';
    return `${event}${id}data: ${escapeToAscii(itemToJson(item))}\n\n`;
  }

  flush(): undefined {
    return undefined;
  }

  writeFailure(kind: StreamFailure, problem: string): string {
    return `event: ${kind}\ndata: ${escapeToAscii(problem)}\n\n`;
  }
}

/** A JSON text in ASCII: what is not can only stand inside of strings, where `\u` escapes say the same. */
function escapeToAscii(json: string): string {
  return /[^\x20-\x7e]/.test(json) ? json.replace(/[^\x20-\x7e]/g, escapeUnit) : json;
}

function escapeUnit(unit: string): string {
  // Tabs are white space between JSON's tokens, where an escape would not parse.
  return unit === '\t' ? ' ' : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Whole bytes that a line may have: what line readers of the official clients take. */
const maxLineBytes = 128 * 1024;

/**
 * NDJSON: exactly `application/x-ndjson`, lines up to 128 KiB. A line end is written before the next line, or after a
 * moment without one, so that a reader by lines need not wait and the last line of a stream that ends has none after it.
 */
export class JsonLinesFormat implements StreamFormat {
  readonly content_type = 'application/x-ndjson';
  readonly heartbeat = undefined;
  readonly flush_after_ms = 50;
  readonly failure_is_marked = false;
  #lineIsOpen = false;

  writeItem(item: StreamItem): string {
    const json = itemToJson(item);
    if (Buffer.byteLength(json) > maxLineBytes) {
      throw new GatehouseError('upstream_too_large', {
        detail: `One item is larger than the ${maxLineBytes} bytes of an NDJSON line.`,
        reason: 'line_too_large',
      });
    }
    return this.#writeLine(json);
  }

  flush(): string | undefined {
    if (!this.#lineIsOpen) return undefined;
    this.#lineIsOpen = false;
    return '\n';
  }

  writeFailure(_kind: StreamFailure, problem: string): string {
    // Ended, unlike other last lines: behind it the connection is cut, and a reader by lines would never see it.
    return `${this.#writeLine(`{"error":${problem}}`)}\n`;
  }

  #writeLine(json: string): string {
    const line = this.#lineIsOpen ? `\n${json}` : json;
    this.#lineIsOpen = true;
    return line;
  }
}

/** Bytes as the upstream sent them; a JSON item is written as a line. */
export class BytesFormat implements StreamFormat {
  readonly content_type = 'application/octet-stream';
  readonly heartbeat = undefined;
  readonly flush_after_ms = undefined;
  readonly failure_is_marked = false;

  writeItem(item: StreamItem): string | Buffer {
    return typeof item.data === 'string' ? `${item.data}\n` : item.data;
  }

  flush(): undefined {
    return undefined;
  }

  // A word of ours would be taken for the upstream's bytes; the cut connection alone says it.
  writeFailure(): string {
    return '';
  }
}
