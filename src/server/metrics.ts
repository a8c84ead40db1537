import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Exchange } from '../pipeline/index.js';

/** What the gauges read when they are scraped. */
export interface MetricSources {
  readonly active: () => number;
  readonly cached_bytes: () => number;
  readonly lost_events: () => number;
  /** 1 for up, 0 for anything else, by upstream. */
  readonly upstreams: () => ReadonlyMap<string, number>;
}

/** Prometheus metrics. Labels are closed sets and configured names, never what a sender chose. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<'kind' | 'outcome'>;
  readonly #durations: Histogram<'kind'>;

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#requests = new Counter({
      name: 'gatehouse_requests_total',
      help: 'Requests by kind and by error code (ok when there was none).',
      labelNames: ['kind', 'outcome'],
      registers,
    });
    this.#durations = new Histogram({
      name: 'gatehouse_request_duration_seconds',
      help: 'Time from the first hook to the recorded end.',
      labelNames: ['kind'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    addGauge(registers, 'gatehouse_requests_active', 'Requests begun and not recorded.', sources.active);
    addGauge(registers, 'gatehouse_manual_cache_bytes', 'Bytes that built manuals hold.', sources.cached_bytes);
    addGauge(registers, 'gatehouse_events_lost', 'Security events that could not be kept.', sources.lost_events);
    new Gauge({
      name: 'gatehouse_upstream_up',
      help: 'Whether an upstream is up.',
      labelNames: ['upstream'],
      registers,
      collect() {
        this.reset();
        for (const [upstream, up] of sources.upstreams()) this.set({ upstream }, up);
      },
    });
  }

  observe(exchange: Exchange, duration_ms: number): void {
    const { kind, error } = exchange;
    this.#requests.inc({ kind, outcome: error?.code ?? 'ok' });
    this.#durations.observe({ kind }, duration_ms / 1000);
  }
}

function addGauge(registers: Registry[], name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(read());
    },
  });
}
