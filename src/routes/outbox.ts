import type { ServerResponse } from 'node:http';

/** So many answers are written without waiting for the rest of the turn, so that none waits for many others' work. */
const maxWaiting = 32;

/**
 * Ends answers together, when all that had come in when this turn of the event loop began has been dealt with. Each write
 * wakes whoever reads it; written one between each two requests they cost a sixth of a call, one behind the other hardly
 * anything. An answer that is alone goes out at once: the turn ends when nothing else has come in.
 */
export class Outbox {
  #waiting: Answer[] = [];
  readonly #flush = () => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { response, body, encoding } of waiting) response.end(body, encoding);
  };

  /** Ends a response, whose head is written already, with its last bytes. */
  end(response: ServerResponse, body: string | Buffer | undefined, encoding: BufferEncoding = 'utf8'): void {
    const length = this.#waiting.push({ response, body, encoding });
    if (length === 1) setImmediate(this.#flush);
    else if (length === maxWaiting) this.#flush();
  }
}

interface Answer {
  readonly response: ServerResponse;
  readonly body: string | Buffer | undefined;
  readonly encoding: BufferEncoding;
}
