import type { CallScope } from '../core/index.js';
import type { EventSink } from '../events/index.js';
import type { BlockList, ConcurrencyCaps, Limiter } from '../limits/index.js';
import type { Exchange } from './exchange.js';
import type { Generation } from './generation.js';

/** What the stages share that outlives a configuration. */
export interface Gate {
  /** The generation in force now. */
  generation: Generation;
  readonly limiter: Limiter;
  /** Failed authentications by address: a store that refuses when full rather than forgets. */
  readonly addressLimiter: Limiter;
  readonly sink: EventSink;
  readonly blocks: BlockList;
  readonly caps: ConcurrencyCaps;
  /** True once the server is told to stop: it says so (readiness, `Connection: close`), and serves on for a while. */
  leaving: boolean;
  /** True when that while is over: nothing new is begun. */
  draining: boolean;
  /** Exchanges begun and not yet recorded. */
  active: number;
  /** Scopes of open streams, which would outlast any drain: each is closed with an event when it begins. */
  readonly streams: Set<CallScope>;
  /** Scopes of calls in flight, cancelled when the drain time is over. */
  readonly calls: Set<CallScope>;
  /** Told of each finished exchange, after its event: metrics and anomalies. */
  observe?(exchange: Exchange, status: number, duration_ms: number): void;
}
