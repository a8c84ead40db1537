import type { Progress } from '@modelcontextprotocol/client';

/** Progress that nobody has read yet; older news is dropped, since the newest says all. */
const maxHeld = 100;

/** Progress notifications on their way to one reader, who may be slower than they come. */
export class ProgressQueue {
  #held: string[] = [];
  #ended = false;
  #wake: () => void = () => undefined;

  push(progress: Progress): void {
    const { progress: done, total, message } = progress;
    this.#held.push(JSON.stringify({ progress: done, total, message }));
    if (this.#held.length > maxHeld) this.#held.shift();
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** The notifications as JSON texts, until `end`. */
  async *read(): AsyncGenerator<string> {
    while (true) {
      const held = this.#held;
      this.#held = [];
      yield* held;
      if (this.#held.length > 0) continue;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
