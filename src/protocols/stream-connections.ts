import type { Socket } from 'node:net';
import { Client } from 'undici';
import type { GatehouseError } from '../core/index.js';
import type { GuardedUpstream } from './egress.js';
import { createGuardedConnector } from './egress-connection.js';

/** Connections that wait for the next stream; undici closes one that waits for a few seconds. */
const maxIdle = 8;

/**
 * Connections to one origin, each for one stream at a time. Not a pool of undici's: there, ending a stream early opens
 * the next connection at once (the aborted request is put back and found aborted only after connecting).
 */
export class StreamConnections {
  readonly #origin: string;
  // One for all: it remembers TLS sessions.
  readonly #connect: ReturnType<typeof createGuardedConnector>;
  readonly #idle = new Set<Client>();
  readonly #busy = new Set<Client>();
  #retired = false;

  /** `connecting` takes the sockets that are being connected, for who ends them. */
  constructor({ url, policy, tls }: GuardedUpstream, connecting: Set<Socket>) {
    this.#origin = url.origin;
    this.#connect = createGuardedConnector({ policy, tls, connecting });
  }

  /** A connection for one stream; `keep` or `end` must follow. */
  take(): Client {
    const [waiting] = this.#idle;
    // The call's deadline and the exchange's silence clock are the timers.
    const client = waiting ?? new Client(this.#origin, { connect: this.#connect, headersTimeout: 0, bodyTimeout: 0 });
    this.#idle.delete(client);
    this.#busy.add(client);
    return client;
  }

  /** Takes a connection back whose stream has ended by itself. */
  keep(client: Client): void {
    if (!this.#busy.delete(client)) return;
    if (this.#retired || this.#idle.size >= maxIdle) destroy(client);
    else this.#idle.add(client);
  }

  /** Ends a connection at once; what runs on it fails with `error`. */
  end(client: Client, error: GatehouseError): void {
    if (this.#busy.delete(client)) destroy(client, error);
  }

  /** Ends the connections that wait, and each other one when its stream has ended. */
  retire(): void {
    this.#retired = true;
    for (const client of this.#idle) destroy(client);
    this.#idle.clear();
  }

  /** Ends every connection; resolves when they are gone. */
  async close(error: GatehouseError): Promise<void> {
    this.#retired = true;
    const clients = [...this.#idle, ...this.#busy];
    this.#idle.clear();
    this.#busy.clear();
    await Promise.all(clients.map((client) => client.destroy(error)));
  }
}

function destroy(client: Client, error: GatehouseError | null = null): void {
  // Rejects only for a client that is gone already, which is what is wanted.
  client.destroy(error).catch(() => undefined);
}
