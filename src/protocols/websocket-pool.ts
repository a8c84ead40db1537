import type { GatehouseError } from '../core/index.js';
import { type Watcher, WebsocketConnection, type WebsocketTarget } from './websocket-connection.js';

interface IdleConnection {
  readonly key: string;
  readonly connection: WebsocketConnection;
  readonly timer: NodeJS.Timeout;
}

const idleTime_ms = 30_000;
const maxIdle = 64;

/**
 * The connections of one tool. One may wait for the next call under a key that says caller, URL and headers, so that
 * nothing an upstream remembers of one caller ever meets another. A connection on which something arrives while it
 * waits is ended: nobody could say which call that belongs to.
 */
export class WebsocketPool {
  readonly #idle = new Map<string, IdleConnection>();
  readonly #busy = new Set<WebsocketConnection>();
  #retired = false;

  /** Takes the connection that waits under `key` out, or opens one. `give` or `end` must follow. */
  async take(key: string, target: WebsocketTarget, deadline: Watcher): Promise<WebsocketConnection> {
    const idle = this.#idle.get(key);
    if (idle) this.#forget(idle);
    const connection = idle?.connection ?? (await WebsocketConnection.open(target, deadline));
    if (idle) deadline.watch(connection);
    this.#busy.add(connection);
    return connection;
  }

  /** Lets a connection wait under `key`; closes one that can't, and settles when it is closed. */
  async give(key: string, connection: WebsocketConnection): Promise<void> {
    this.#busy.delete(connection);
    if (this.#retired || !connection.isQuiet || this.#idle.has(key) || this.#idle.size >= maxIdle) {
      return connection.close();
    }
    const timer = setTimeout(() => this.#drop(idle), idleTime_ms);
    // A connection that only waits must not keep the process from ending.
    timer.unref();
    const idle: IdleConnection = { key, connection, timer };
    this.#idle.set(key, idle);
    connection.onDisturbed(() => this.#drop(idle));
  }

  /** Ends a connection: with a goodbye after a call that went well, at once after one that did not. */
  async end(connection: WebsocketConnection, wentWell: boolean): Promise<void> {
    this.#busy.delete(connection);
    await (wentWell ? connection.close() : connection.terminate());
  }

  /** Ends the connections that wait, and lets no other wait again. */
  async retire(): Promise<void> {
    this.#retired = true;
    const idle = [...this.#idle.values()];
    for (const waiting of idle) this.#forget(waiting);
    await Promise.all(idle.map(({ connection }) => connection.terminate()));
  }

  /** Ends every connection; the calls on them fail with `error`. */
  async close(error: GatehouseError): Promise<void> {
    for (const connection of this.#busy) connection.stop(error);
    await this.retire();
  }

  #forget(idle: IdleConnection): void {
    clearTimeout(idle.timer);
    this.#idle.delete(idle.key);
    idle.connection.onDisturbed(undefined);
  }

  #drop(idle: IdleConnection): void {
    this.#forget(idle);
    void idle.connection.terminate();
  }
}
