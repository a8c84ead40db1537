/** Texts that stand in one block. */
const blockLength = 1024;

interface Block {
  readonly bytes: Buffer;
  /** Where each text ends, and so the next one starts. */
  readonly ends: Uint32Array;
}

/**
 * Many texts as UTF-8 outside of the heap: there they take their own bytes and nothing else, and the collector passes
 * them by. For what is seldom read, since each reading makes the text anew. Immutable.
 */
export class PackedTexts {
  readonly #blocks: readonly Block[];

  /** Asks for each of `count` texts once, in turn; no more than a block of them is held at a time. */
  constructor(count: number, textOf: (index: number) => string) {
    const starts = Array.from({ length: Math.ceil(count / blockLength) }, (_, block) => block * blockLength);
    this.#blocks = starts.map((start) => packBlock(start, Math.min(blockLength, count - start), textOf));
  }

  /** The text of this number; empty where there is none. */
  read(index: number): string {
    return this.bytes(index).toString('utf8');
  }

  /** The text as bytes, which are this one's own: to be read, not written. */
  bytes(index: number): Buffer {
    const block = this.#blocks[Math.floor(index / blockLength)];
    if (!block) return nothing;
    const place = index % blockLength;
    return block.bytes.subarray(block.ends[place - 1] ?? 0, block.ends[place] ?? 0);
  }
}

const nothing = Buffer.alloc(0);

function packBlock(start: number, length: number, textOf: (index: number) => string): Block {
  const texts = Array.from({ length }, (_, place) => textOf(start + place));
  const ends = new Uint32Array(length);
  let end = 0;
  for (const [place, text] of texts.entries()) {
    end += Buffer.byteLength(text);
    ends[place] = end;
  }
  return { bytes: Buffer.from(texts.join('')), ends };
}
