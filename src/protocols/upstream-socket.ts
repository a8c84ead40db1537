import { Socket } from 'node:net';

/** What all connections read into, one after the other; each copies what it got out at once. */
const scratch = Buffer.allocUnsafeSlow(65_536);
const reading = { allowHalfOpen: false, onread: { buffer: scratch, callback: pushCopy } };

function pushCopy(this: Socket, size: number, bytes: Uint8Array): boolean {
  return this.push(Buffer.from(bytes.subarray(0, size)));
}

/**
 * A connection that hands what has come to its reader at once, where a stream would wait for a turn of its own, and that
 * takes no buffer of 64 KiB for each read. Its reader asks on `readable`, as undici does; what it leaves, and the end of
 * the connection, go through the stream as ever.
 */
export class UpstreamSocket extends Socket {
  #arrived: Buffer | undefined;
  #hasEnded = false;

  constructor() {
    super(reading);
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (!Buffer.isBuffer(chunk) || this.readableLength > 0) {
      this.#hasEnded ||= chunk === null;
      return super.push(chunk, encoding);
    }
    this.#arrived = chunk;
    this.emit('readable');
    const left = this.#take();
    return left === undefined || super.push(left);
  }

  override read(size?: number): unknown {
    const arrived = size === undefined ? this.#take() : undefined;
    if (arrived) return arrived;
    const isEmpty = size === undefined && this.readableLength === 0 && !this.#hasEnded;
    return isEmpty ? null : super.read(size);
  }

  #take(): Buffer | undefined {
    const arrived = this.#arrived;
    this.#arrived = undefined;
    return arrived;
  }
}
