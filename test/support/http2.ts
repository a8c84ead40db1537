import type { ClientHttp2Session } from 'node:http2';
import { setImmediate } from 'node:timers/promises';

/**
 * Waits until this process reads no frame. What a client destroys or cancels while one is read, Node 20 frees although it
 * goes on using it (nodejs/node issue 64113), and the heap of the tests is damaged: what follows an `await` of an event or
 * of a body runs at such a time.
 */
export async function whenNothingIsRead(): Promise<void> {
  await setImmediate();
}

/** Ends a client's session at a time when it can be ended. */
export async function endSession(session: ClientHttp2Session): Promise<void> {
  await whenNothingIsRead();
  session.destroy();
}
