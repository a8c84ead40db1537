import type { EventSink } from '../events/index.js';
import type { BlockList, ConcurrencyCaps, Limiter } from '../limits/index.js';
import type { CallsInFlight } from './calls-in-flight.js';
import type { Exchange } from './exchange.js';
import type { Generation } from './generation.js';
import type { Tracing } from './trace.js';

/** What there is too much or too little of; the `reason` of the refusal. */
export type PressureReason = 'event_loop_delay' | 'heap_full';

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
  /** Why nothing more should be begun now, when the process can't keep up; undefined otherwise. */
  readPressure?(): PressureReason | undefined;
  /** True once the server is told to stop: it says so (readiness, `Connection: close`), and serves on for a while. */
  leaving: boolean;
  /** True when that while is over: nothing new is begun. */
  draining: boolean;
  /** Exchanges begun and not yet recorded. */
  active: number;
  /** Scopes of open streams, which would outlast any drain: each is closed with an event when it begins. */
  readonly streams: CallsInFlight;
  /** Scopes of calls in flight, cancelled when the drain time is over. */
  readonly calls: CallsInFlight;
  /** Makes traces, where they are configured. */
  readonly tracing?: Tracing;
  /** Told of each finished exchange, after its event: metrics and anomalies. */
  observe?(exchange: Exchange, status: number, duration_ms: number): void;
}
