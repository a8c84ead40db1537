import { Gauge, type Registry } from 'prom-client';
import type { EventSinkState } from '../events/index.js';
import type { BreakerState, StoreStatus } from '../limits/index.js';
import type { UpstreamHealth } from '../protocols/index.js';

/** What the gauges read when they are scraped. */
export interface GaugeSources {
  /** Exchanges begun and not recorded. */
  readonly active: () => number;
  readonly cached_bytes: () => number;
  readonly tools: () => number;
  readonly upstreams: () => readonly UpstreamHealth[];
  readonly breakers: () => ReadonlyMap<string, BreakerState>;
  readonly blocked_callers: () => number;
  readonly state: () => StoreStatus | 'memory';
  readonly log: () => EventSinkState;
  readonly event_loop_delay_s: () => number;
  /** Spans that no collector took. */
  readonly lost_spans: () => number;
  readonly draining: () => boolean;
}

const breakerValues: Readonly<Record<BreakerState, number>> = { closed: 0, half_open: 1, open: 2 };
/** Upstreams that are shown one by one. */
const maxUpstreams = 200;

/** Registers every gauge. */
export function registerGauges(registry: Registry, sources: GaugeSources): void {
  const add = (name: string, help: string, read: () => number) => addGauge(registry, name, help, read);
  add('requests_active', 'Requests begun and not recorded.', sources.active);
  add('manual_cache_bytes', 'Bytes that built manuals hold.', sources.cached_bytes);
  add('tools', 'Tools of the configuration in force.', sources.tools);
  add('callers_blocked', 'Callers that are blocked now.', sources.blocked_callers);
  add('state_degraded', '1 while Redis is away and limits are held by this process alone.', () =>
    Number(sources.state() === 'degraded'),
  );
  add('security_log_failing', '1 while the security log takes no events.', () =>
    Number(sources.log().status === 'failing'),
  );
  add('events_lost', 'Security events that could not be kept since the start.', () => sources.log().lost);
  add('event_loop_delay_seconds', 'Mean delay of the event loop; beyond a bound, requests are refused.', () =>
    sources.event_loop_delay_s(),
  );
  add('trace_spans_lost', 'Spans that no collector took since the start.', sources.lost_spans);
  add('draining', '1 once the server is told to stop.', () => Number(sources.draining()));
  addByUpstream(registry, 'upstream_up', 'Whether an upstream is up.', () =>
    sources.upstreams().map(({ upstream, state }) => [upstream, Number(state === 'up')]),
  );
  addByUpstream(registry, 'upstream_breaker_state', '0 closed, 1 half open, 2 open.', () =>
    [...sources.breakers()].map(([upstream, state]) => [upstream, breakerValues[state]]),
  );
}

function addGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name: `gatehouse_${name}`,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

function addByUpstream(
  registry: Registry,
  name: string,
  help: string,
  read: () => readonly (readonly [string, number])[],
): void {
  new Gauge({
    name: `gatehouse_${name}`,
    help,
    labelNames: ['upstream'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [upstream, value] of read().slice(0, maxUpstreams)) this.set({ upstream }, value);
    },
  });
}
