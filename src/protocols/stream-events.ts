import { GatehouseError } from '../core/index.js';
import { LineSplitter } from './stream-lines.js';

/** One event of a `text/event-stream` (WHATWG HTML section 9.2). */
export interface ServerSentEvent {
  /** `message` where the stream named none. */
  readonly event: string;
  /** Lines of data joined by LF. */
  readonly data: string;
  /** The last id that the stream gave, with this event or before it; empty when it gave none. */
  readonly id: string;
}

/**
 * Reads server-sent events as WHATWG HTML section 9.2.6 says: CR, LF and CRLF end lines, one leading byte order mark is
 * dropped, comments and unknown fields are passed over, an event without data is none, and what stands after the last
 * blank line is discarded.
 */
export class EventStreamParser {
  readonly #lines: LineSplitter;
  readonly #maxBytes: number;
  #atStart = true;
  #event = '';
  #data: string[] = [];
  #dataBytes = 0;
  #id = '';
  #retry_ms: number | undefined;

  /** `maxBytes` bounds one line, and the data of one event. */
  constructor(maxBytes: number) {
    this.#lines = new LineSplitter('any', maxBytes);
    this.#maxBytes = maxBytes;
  }

  /** How long the upstream asks to wait before a reconnection, in milliseconds; undefined when it has not said. */
  get retry_ms(): number | undefined {
    return this.#retry_ms;
  }

  /** The events that `chunk` completes. Throws `upstream_too_large` for a line or an event over the cap. */
  parse(chunk: Buffer): readonly ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    for (const line of this.#lines.split(chunk)) {
      const event = this.#readLine(this.#withoutByteOrderMark(line));
      if (event) events.push(event);
    }
    return events;
  }

  #withoutByteOrderMark(line: string): string {
    if (!this.#atStart) return line;
    this.#atStart = false;
    return line.startsWith('\ufeff') ? line.slice(1) : line;
  }

  #readLine(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined;
    const field = colon === -1 ? line : line.slice(0, colon);
    this.#readField(field, colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1));
    return undefined;
  }

  #readField(field: string, value: string): void {
    if (field === 'data') this.#addData(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) this.#retry_ms = Number(value);
  }

  #addData(value: string): void {
    // The LF that joins lines is counted too, or lines of no data would grow without bound.
    this.#dataBytes += Buffer.byteLength(value) + 1;
    if (this.#dataBytes > this.#maxBytes + 1) {
      throw new GatehouseError('upstream_too_large', {
        detail: `One event of the upstream is larger than ${this.#maxBytes} bytes.`,
        reason: 'event_too_large',
      });
    }
    this.#data.push(value);
  }

  #dispatch(): ServerSentEvent | undefined {
    const event = this.#event || 'message';
    const data = this.#data;
    this.#event = '';
    this.#data = [];
    this.#dataBytes = 0;
    return data.length === 0 ? undefined : { event, data: data.join('\n'), id: this.#id };
  }
}
