import { GatehouseError } from '../core/index.js';
import type { GuardedUpstream } from './egress.js';
import type { ProtocolDependencies, UpstreamHealth } from './protocol.js';
import { UpstreamConnections } from './upstream-connections.js';
import { UpstreamState } from './upstream-state.js';

/** Connections that one origin may hold for calls; more calls wait for one within their own time. */
const forCalls = { max: 128, max_idle: 128 };
/** How many streams there may be is each caller's bound. */
const forStreams = { max: Number.POSITIVE_INFINITY, max_idle: 8 };

/** The connections to one upstream, and whether it was there when last asked. */
export class UpstreamOrigin extends UpstreamState {
  /** For answers that are read whole. */
  readonly calls: UpstreamConnections;
  /** For answers that are read as they come. */
  readonly streams: UpstreamConnections;

  constructor(upstream: GuardedUpstream, deps: ProtocolDependencies) {
    super(upstream.url, deps);
    this.calls = new UpstreamConnections(upstream, forCalls);
    this.streams = new UpstreamConnections(upstream, forStreams);
  }

  /** Ends every connection at once, those that are still being made too; what runs on them fails with `error`. */
  async close(error: GatehouseError): Promise<void> {
    await Promise.all([this.calls.close(error), this.streams.close(error)]);
  }
}

/** The origins of a protocol: one for each combination of origin, policy and TLS, shared by the tools that match. */
export class UpstreamOrigins {
  readonly #origins = new Map<string, UpstreamOrigin>();
  /** No tool's any more, but perhaps a call's that goes on, or a token's that is being fetched. */
  readonly #retired = new Set<UpstreamOrigin>();

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
      origin.calls.retire();
      this.#retired.add(origin);
    }
    for (const origin of this.#retired) if (origin.calls.size + origin.streams.size === 0) this.#retired.delete(origin);
  }

  health(): readonly UpstreamHealth[] {
    return [...this.#origins.values()].map((origin) => origin.health());
  }

  async close(): Promise<void> {
    const error = new GatehouseError('upstream_failed', { reason: 'closed' });
    const origins = [...this.#origins.values(), ...this.#retired];
    this.#origins.clear();
    this.#retired.clear();
    await Promise.all(origins.map((origin) => origin.close(error)));
  }
}
