import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

export type ContentCoding = 'identity' | 'gzip' | 'br';

/** One body in one coding, with all that a response needs said once. */
export interface Representation {
  readonly bytes: Buffer;
  /** Strong validator (RFC 9110 section 8.8.3); each coding has its own. */
  readonly etag: string;
  readonly coding: ContentCoding;
  /** Names and values in turn; of the answer, and of the one that says that the caller has it already. */
  readonly head: readonly string[];
  readonly unchanged_head: readonly string[];
}

/** One caller's view of one manual or of all: bytes built once for everyone with the same rights. */
export class View {
  readonly #digest: string;
  readonly #extraHeaders: Readonly<Record<string, string>>;
  readonly #grew: (bytes: number) => void;
  readonly identity: Representation;
  #gzip: Promise<Representation> | Representation | undefined;
  #brotli: Promise<Representation> | Representation | undefined;

  constructor(
    bytes: Buffer,
    /** How many tools it lists. */
    readonly tools: number,
    extraHeaders: Readonly<Record<string, string>>,
    grew: (bytes: number) => void,
  ) {
    this.#extraHeaders = extraHeaders;
    this.#grew = grew;
    this.#digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 27);
    this.identity = this.#represent(bytes, 'identity');
  }

  /** Bytes held, all codings together. */
  get size(): number {
    const compressed = [this.#gzip, this.#brotli].map((form) => (form && 'bytes' in form ? form.bytes.length : 0));
    return this.identity.bytes.length + (compressed[0] ?? 0) + (compressed[1] ?? 0);
  }

  /** The body in a coding; made on first use, off the event loop, and kept. */
  encode(coding: ContentCoding): Representation | Promise<Representation> {
    // Below a few packets compression saves nothing.
    if (coding === 'identity' || this.identity.bytes.length < 1024) return this.identity;
    if (coding === 'gzip') {
      this.#gzip ??= this.#compress(coding, (done) => {
        this.#gzip = done;
      });
      return this.#gzip;
    }
    this.#brotli ??= this.#compress(coding, (done) => {
      this.#brotli = done;
    });
    return this.#brotli;
  }

  async #compress(coding: ContentCoding, keep: (done: Representation) => void): Promise<Representation> {
    const bytes = await (coding === 'gzip' ? compressGzip : compressBrotli)(this.identity.bytes);
    const done = this.#represent(bytes, coding);
    keep(done);
    this.#grew(bytes.length);
    return done;
  }

  #represent(bytes: Buffer, coding: ContentCoding): Representation {
    const etag = coding === 'identity' ? `"${this.#digest}"` : `"${this.#digest}-${coding}"`;
    const unchanged = { etag, 'cache-control': 'private', vary: 'Authorization, Accept-Encoding' };
    const headers = {
      'content-type': 'application/json',
      'content-length': String(bytes.length),
      ...unchanged,
      ...this.#extraHeaders,
      ...(coding !== 'identity' && { 'content-encoding': coding }),
    };
    return {
      bytes,
      etag,
      coding,
      head: Object.entries(headers).flat(),
      unchanged_head: Object.entries(unchanged).flat(),
    };
  }
}

const compressGzip = promisify(gzip);
const deflate = promisify(brotliCompress);

// Level 11 takes seconds on a few megabytes; 5 is within a few per cent of it.
function compressBrotli(bytes: Buffer): Promise<Buffer> {
  return deflate(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
}
