import type { WebsocketConnection } from './websocket-connection.js';

interface IdleConnection {
  readonly key: string;
  readonly connection: WebsocketConnection;
  readonly timer: NodeJS.Timeout;
}

const idleTime_ms = 30_000;
const maxIdle = 256;

/**
 * Connections that wait for the next call of the same caller to the same URL with the same headers; the key says all
 * three, so that nothing an upstream remembers of one caller ever meets another. A connection on which something
 * arrives while it waits is ended: nobody could say which call it belongs to.
 */
export class WebsocketPool {
  readonly #idle = new Map<string, IdleConnection>();
  readonly #ending = new Set<Promise<void>>();
  #closed = false;

  /** Takes the connection that waits under `key` out; undefined when none does. */
  take(key: string): WebsocketConnection | undefined {
    const idle = this.#idle.get(key);
    if (!idle) return undefined;
    this.#forget(idle);
    return idle.connection;
  }

  /** Lets a connection wait under `key`; one that can't is closed, and the promise settles when it is. */
  async give(key: string, connection: WebsocketConnection): Promise<void> {
    if (this.#closed || !connection.isQuiet || this.#idle.has(key) || this.#idle.size >= maxIdle) {
      return connection.close();
    }
    const timer = setTimeout(() => this.#end(idle), idleTime_ms);
    // A connection that only waits must not keep the process from ending.
    timer.unref();
    const idle: IdleConnection = { key, connection, timer };
    this.#idle.set(key, idle);
    connection.onDisturbed(() => this.#end(idle));
  }

  /** Ends every connection that waits. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const idle of this.#idle.values()) this.#end(idle);
    await Promise.all(this.#ending);
  }

  #forget(idle: IdleConnection): void {
    clearTimeout(idle.timer);
    this.#idle.delete(idle.key);
    idle.connection.onDisturbed(undefined);
  }

  #end(idle: IdleConnection): void {
    if (this.#idle.get(idle.key) !== idle) return;
    this.#forget(idle);
    const ending = idle.connection.terminate().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }
}
