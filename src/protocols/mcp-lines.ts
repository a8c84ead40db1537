/** What a reader makes of one line: its text, or that it was longer than allowed, with both ends of it. */
export interface LineSink {
  onLine(line: string): void;
  /** `head` and `tail` are the first and last bytes, enough to tell which answer it was. */
  onLongLine(head: string, tail: string): void;
}

const newline = 0x0a;
const keptBytes = 256;
const noBytes = Buffer.alloc(0);

/**
 * Cuts a byte stream into lines and holds at most `maxBytes` of one: the rest of a longer line is dropped as it comes,
 * so that a server can neither fill the memory nor, with one large answer, end the calls of everybody else.
 */
export class BoundedLineReader {
  readonly #sink: LineSink;
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;
  #tail: Buffer = noBytes;

  constructor(maxBytes: number, sink: LineSink) {
    this.#maxBytes = maxBytes;
    this.#sink = sink;
  }

  /** Bytes of the line that has not ended yet, dropped ones included. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      this.#add(chunk.subarray(start, end));
      this.#finish();
      start = end + 1;
    }
    if (start < chunk.length) this.#add(chunk.subarray(start));
  }

  #add(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes <= this.#maxBytes) {
      this.#parts.push(part);
      return;
    }
    if (this.#tail.length > 0) {
      this.#tail = keepEnd(Buffer.concat([this.#tail, part]));
      return;
    }
    const sofar = Buffer.concat([...this.#parts, part]);
    this.#parts = [Buffer.from(sofar.subarray(0, keptBytes))];
    this.#tail = keepEnd(sofar);
  }

  #finish(): void {
    const [first = noBytes] = this.#parts;
    const whole = this.#parts.length === 1 ? first : Buffer.concat(this.#parts);
    const long = this.#bytes > this.#maxBytes;
    const tail = this.#tail;
    this.#parts = [];
    this.#bytes = 0;
    this.#tail = noBytes;
    if (long) this.#sink.onLongLine(whole.toString('latin1'), tail.toString('latin1'));
    else this.#sink.onLine(whole.toString('utf8'));
  }
}

// A copy, so that 256 bytes don't hold on to megabytes.
function keepEnd(bytes: Buffer): Buffer {
  return Buffer.from(bytes.subarray(-keptBytes));
}

/**
 * The id of an answer of which only the ends are known. Both forms are certain: what stands before `result` in an object
 * that opens so, or right before the last brace, is a member of the outermost object.
 */
export function findAnswerId(head: string, tail: string): number | undefined {
  const match = idFirst.exec(head) ?? (/^\s*\{\s*"(?:result|error)"\s*:/.test(head) ? idLast.exec(tail) : null);
  return match ? Number(match[1]) : undefined;
}

const idFirst = /^\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,15})\s*,\s*"(?:result|error)"\s*:/;
const idLast = /"id"\s*:\s*(\d{1,15})\s*\}\s*$/;
