import type { JSONRPCMessage } from '@modelcontextprotocol/client';
import { z } from 'zod';

const notificationSchema = z.object({
  method: z.literal('notifications/progress'),
  params: z.object({
    progressToken: z.number(),
    progress: z.number(),
    total: z.number().optional(),
    message: z.string().optional(),
  }),
});

/** How far a call has come, as its server says. */
export interface Progress {
  readonly progress: number;
  readonly total?: number | undefined;
  readonly message?: string | undefined;
}
export type ProgressListener = (progress: Progress) => void;

/**
 * Brings progress notifications to the calls that they are of, in the order in which the server wrote them. The client's
 * own way loses those that come together with the result: it looks the call up when the result has taken it away.
 */
export class ProgressRouter {
  readonly #listeners = new Map<number, ProgressListener>();
  #lastToken = 0;

  /** Takes a listener; gives the progress token of its call. `forget` must follow. */
  add(listener: ProgressListener): number {
    this.#lastToken += 1;
    this.#listeners.set(this.#lastToken, listener);
    return this.#lastToken;
  }

  forget(token: number): void {
    this.#listeners.delete(token);
  }

  /** Takes a message of the server; what is no progress of a call under way is left alone. */
  route(message: JSONRPCMessage): void {
    if (this.#listeners.size === 0) return;
    const parsed = notificationSchema.safeParse(message);
    if (!parsed.success) return;
    const { progressToken, ...progress } = parsed.data.params;
    this.#listeners.get(progressToken)?.(progress);
  }
}

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
