import type { Socket } from 'node:net';
import { errors } from 'undici';
import { codeOf } from '../core/index.js';

/**
 * Keeps the end of a connection back until its reader has come to it. undici 7 takes the end at once, and while its
 * parser is paused for a slow consumer, an assertion that nobody can catch ends the process (nodejs/undici issue 5360),
 * or a whole answer is taken for broken off. A reset is given another name than the one on which undici takes what has
 * come so far for the whole answer.
 */
export function keepEndBack(socket: Socket): void {
  const { push, read, unshift, destroy } = socket;
  let [isPaused, isKept] = [false, false];
  // The parser puts back what it leaves, if only nothing, whenever it is paused; going on, it reads.
  socket.unshift = (...left) => {
    isPaused = true;
    unshift.apply(socket, left);
  };
  socket.push = (chunk, encoding) => {
    isKept ||= chunk === null && (isPaused || socket.readableLength > 0);
    return isKept ? false : push.call(socket, chunk, encoding);
  };
  socket.read = (size) => {
    const bytes: unknown = read.call(socket, size);
    if (size !== undefined) return bytes;
    isPaused = false;
    if (isKept && bytes === null) {
      isKept = false;
      push.call(socket, null);
    }
    return bytes;
  };
  socket.destroy = (error) => destroy.call(socket, codeOf(error) === 'ECONNRESET' ? new errors.SocketError() : error);
}
