import type { Socket } from 'node:net';
import { Pool } from 'undici';
import { GatehouseError } from '../core/index.js';
import type { GuardedUpstream } from './egress.js';
import { createGuardedConnector } from './egress-connection.js';
import type { ProtocolDependencies, UpstreamHealth } from './protocol.js';
import { StreamConnections } from './stream-connections.js';
import { UpstreamState } from './upstream-state.js';

/** Connections that one origin may hold; more calls wait for one within their own time. */
const connectionsPerOrigin = 128;

/** The connections to one upstream, and whether it was there when last asked. */
export class UpstreamOrigin extends UpstreamState {
  readonly pool: Pool;
  /** For answers that are read as they come. */
  readonly streams: StreamConnections;
  readonly #connecting = new Set<Socket>();

  constructor(upstream: GuardedUpstream, deps: ProtocolDependencies) {
    const { url, policy, tls } = upstream;
    super(url, deps);
    this.streams = new StreamConnections(upstream, this.#connecting);
    this.pool = new Pool(url.origin, {
      connect: createGuardedConnector({ policy, tls, connecting: this.#connecting }),
      connections: connectionsPerOrigin,
      // The call's own deadline is the one timer; these two would each be another.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** Ends every connection at once, those that are still being made too; what runs on them fails with `error`. */
  async close(error: GatehouseError): Promise<void> {
    await Promise.all([this.pool.destroy(error), this.streams.close(error)]);
    for (const socket of this.#connecting) socket.destroy(error);
  }
}

/** The origins of a protocol: one for each combination of origin, policy and TLS, shared by the tools that match. */
export class UpstreamOrigins {
  readonly #origins = new Map<string, UpstreamOrigin>();

  constructor(readonly deps: ProtocolDependencies) {}

  get(upstream: GuardedUpstream): UpstreamOrigin {
    const key = [upstream.url.origin, upstream.policy.key, upstream.tls.key].join('|');
    const origin = this.#origins.get(key) ?? new UpstreamOrigin(upstream, this.deps);
    this.#origins.set(key, origin);
    return origin;
  }

  /** Closes the origins that are not in use, once their calls are done. */
  retain(inUse: ReadonlySet<object>): void {
    for (const [key, origin] of this.#origins) {
      if (inUse.has(origin)) continue;
      this.#origins.delete(key);
      origin.streams.retire();
      // Rejects only for a pool that is closed already, which is what is wanted.
      origin.pool.close().catch(() => undefined);
    }
  }

  health(): readonly UpstreamHealth[] {
    return [...this.#origins.values()].map((origin) => origin.health());
  }

  async close(): Promise<void> {
    const error = new GatehouseError('upstream_failed', { reason: 'closed' });
    const origins = [...this.#origins.values()];
    this.#origins.clear();
    await Promise.all(origins.map((origin) => origin.close(error)));
  }
}
