import { IncomingMessage } from 'node:http';

/** What takes a body as it comes. */
export interface BodySink {
  add(chunk: Buffer): void;
  /** All of it has come. Not called for a body that breaks off. */
  end(): void;
}

/**
 * A request whose body can be had where Node's parser hands it over (`readable.push`), ahead of the stream that it would
 * wait in: the stream's turns and events cost more than parsing a small body does. The listener makes all requests of
 * HTTP/1.1 of this class (Node's `IncomingMessage` option of a server).
 */
export class DivertibleMessage extends IncomingMessage {
  #sink: BodySink | undefined;
  #isStreaming = false;

  /** Hands the whole body to `sink`; says no, and does nothing, when some of it waits in the stream already. */
  divert(sink: BodySink): boolean {
    if (this.#isStreaming) return false;
    this.#sink = sink;
    return true;
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    const sink = this.#sink;
    if (!sink) {
      this.#isStreaming = true;
      return super.push(chunk, encoding);
    }
    if (Buffer.isBuffer(chunk)) sink.add(chunk);
    else {
      // Node keeps the last request of a connection until the next one; what was made of it should not stay as well.
      this.#sink = undefined;
      sink.end();
    }
    return true;
  }
}
