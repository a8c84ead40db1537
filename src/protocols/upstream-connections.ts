import type { Socket } from 'node:net';
import { type buildConnector, Client } from 'undici';
import type { GatehouseError } from '../core/index.js';
import type { GuardedUpstream } from './egress.js';
import { createGuardedConnector } from './egress-connection.js';

/** What needs a connection, and waits for one while all are in use. */
export interface Borrower {
  /** Whether it has ended, and needs none any more. */
  readonly isOver: boolean;
  /** Takes a connection; `keep` or `end` must follow. */
  start(client: Client): void;
  /** Ends it, since there will be none. */
  stop(error: GatehouseError): void;
}

export interface ConnectionBounds {
  /** Connections at once, in use or not. */
  readonly max: number;
  /** Connections that wait for their next use; undici closes one that waits for a few seconds. */
  readonly max_idle: number;
}

/**
 * Connections to one origin, each for one exchange at a time, the one that was used last taken first. Not a pool of
 * undici's: there, ending an exchange early opens the next connection at once (the aborted request is put back and found
 * aborted only after connecting), and finding an idle one asks each of the busy ones.
 */
export class UpstreamConnections {
  readonly #origin: string;
  // One for all: it remembers TLS sessions.
  readonly #connect: ReturnType<typeof createGuardedConnector>;
  readonly #bounds: ConnectionBounds;
  readonly #clients = new Set<Client>();
  /** What is being connected: undici lets it go on, for as long as a connection may take, when its client has ended. */
  readonly #connecting = new Map<Client, Socket>();
  readonly #idle: Client[] = [];
  readonly #waiting: Borrower[] = [];
  #retired = false;
  #closed: GatehouseError | undefined;

  constructor({ url, policy, tls }: GuardedUpstream, bounds: ConnectionBounds) {
    this.#origin = url.origin;
    this.#connect = createGuardedConnector({ policy, tls });
    this.#bounds = bounds;
  }

  /** Connections, in use or not. */
  get size(): number {
    return this.#clients.size;
  }

  /** Gives a connection now, or when one is given back. */
  lend(to: Borrower): void {
    if (this.#closed) return to.stop(this.#closed);
    const client = this.#idle.pop() ?? (this.#clients.size < this.#bounds.max ? this.#open() : undefined);
    if (client) to.start(client);
    else this.#waiting.push(to);
  }

  /** Takes a connection back whose exchange has ended by itself. */
  keep(client: Client): void {
    if (!this.#clients.has(client)) return;
    const next = this.#findNext();
    if (next) next.start(client);
    else if (this.#retired || this.#idle.length >= this.#bounds.max_idle) this.end(client, null);
    else this.#idle.push(client);
  }

  /** Ends a connection at once; what runs on it fails with `error`. Does nothing for one that has ended. */
  end(client: Client, error: GatehouseError | null): void {
    if (!this.#clients.delete(client)) return;
    // Rejects only for a client that is gone already, which is what is wanted.
    client.destroy(error).catch(() => undefined);
    this.#connecting.get(client)?.destroy(error ?? undefined);
    this.#connecting.delete(client);
    this.#findNext()?.start(this.#open());
  }

  /** Ends the connections that wait, and each other one when its exchange has ended. */
  retire(): void {
    this.#retired = true;
    for (const client of this.#idle.splice(0)) this.end(client, null);
  }

  /** Ends every connection; resolves when they are gone. */
  async close(error: GatehouseError): Promise<void> {
    this.#closed = error;
    const clients = [...this.#clients];
    this.#clients.clear();
    this.#idle.length = 0;
    for (const waiting of this.#waiting.splice(0)) waiting.stop(error);
    await Promise.all(clients.map((client) => client.destroy(error)));
    for (const socket of this.#connecting.values()) socket.destroy(error);
  }

  #findNext(): Borrower | undefined {
    for (;;) {
      const next = this.#waiting.shift();
      if (!next?.isOver) return next;
    }
  }

  #open(): Client {
    const connect: buildConnector.connector = (target, callback) => {
      const socket = this.#connect(target, (...outcome) => {
        this.#connecting.delete(client);
        callback(...outcome);
      });
      if (socket) this.#connecting.set(client, socket);
    };
    // Whoever takes it has clocks of its own; undici's two would each be another.
    const client = new Client(this.#origin, { connect, headersTimeout: 0, bodyTimeout: 0 });
    this.#clients.add(client);
    return client;
  }
}
