import { GatehouseError } from '../core/index.js';

const lf = 0x0a;
const cr = 0x0d;
const noBytes = Buffer.alloc(0);

/** What ends a line: LF alone (NDJSON, where a CR before it is white space), or CR, LF and CRLF (server-sent events). */
export type LineEnds = 'lf' | 'any';

/**
 * Cuts a byte stream into lines, however it was cut into chunks. Works on bytes, in which neither LF nor CR is ever part
 * of a longer UTF-8 sequence, so that a character split between two chunks comes out whole.
 */
export class LineSplitter {
  readonly #ends: LineEnds;
  readonly #maxBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #endedWithCr = false;

  constructor(ends: LineEnds, maxBytes: number) {
    this.#ends = ends;
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` completes, without their ends. Throws `upstream_too_large` for a line over the cap. */
  split(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let start = this.#skipFeedAfterReturn(chunk);
    for (let end = this.#findEnd(chunk, start); end !== -1; end = this.#findEnd(chunk, start)) {
      lines.push(this.#take(chunk.subarray(start, end)));
      start = end + 1;
      if (chunk[end] !== cr) continue;
      if (start === chunk.length) this.#endedWithCr = true;
      else if (chunk[start] === lf) start += 1;
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
    return lines;
  }

  /** What came after the last line end; undefined when nothing did. */
  rest(): string | undefined {
    return this.#heldBytes === 0 ? undefined : this.#take(noBytes);
  }

  #skipFeedAfterReturn(chunk: Buffer): number {
    if (!this.#endedWithCr || chunk.length === 0) return 0;
    this.#endedWithCr = false;
    return chunk[0] === lf ? 1 : 0;
  }

  #findEnd(chunk: Buffer, start: number): number {
    if (this.#ends === 'lf') return chunk.indexOf(lf, start);
    for (let at = start; at < chunk.length; at += 1) {
      if (chunk[at] === lf || chunk[at] === cr) return at;
    }
    return -1;
  }

  #hold(part: Buffer): void {
    this.#refuseOverCap(part.length);
    // A copy: the chunk may be a window on a buffer that the socket fills again.
    this.#held.push(Buffer.from(part));
    this.#heldBytes += part.length;
  }

  #take(last: Buffer): string {
    this.#refuseOverCap(last.length);
    if (this.#heldBytes === 0) return last.toString('utf8');
    const line = Buffer.concat([...this.#held, last]).toString('utf8');
    this.#held = [];
    this.#heldBytes = 0;
    return line;
  }

  #refuseOverCap(more: number): void {
    if (this.#heldBytes + more <= this.#maxBytes) return;
    throw new GatehouseError('upstream_too_large', {
      detail: `One part of the upstream's stream is larger than ${this.#maxBytes} bytes.`,
      reason: 'event_too_large',
    });
  }
}
