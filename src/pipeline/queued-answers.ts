import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';

/**
 * Answers to pipelined requests, which have no socket until those before them are written. Node tells them nothing when
 * the connection ends meanwhile, so that a call would never be recorded, and its place never given back.
 */
export class QueuedAnswers {
  readonly #bySocket = new WeakMap<Socket, Set<() => void>>();

  /** Calls `lost` when the connection ends before the answer is written. */
  watch({ raw, request }: FastifyReply, lost: () => void): void {
    const waiting = this.#of(request.raw.socket);
    waiting.add(lost);
    const forget = () => waiting.delete(lost);
    raw.once('finish', forget).once('close', forget);
  }

  #of(socket: Socket): Set<() => void> {
    let waiting = this.#bySocket.get(socket);
    if (!waiting) {
      const opened = new Set<() => void>();
      socket.once('close', () => {
        for (const lost of opened) lost();
      });
      this.#bySocket.set(socket, opened);
      waiting = opened;
    }
    return waiting;
  }
}
