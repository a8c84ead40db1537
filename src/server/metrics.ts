import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Exchange } from '../pipeline/index.js';
import { RequestTally } from './tally.js';

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
  readonly #registry = new Registry();
  readonly #tally = new RequestTally();

  constructor(sources: MetricSources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
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
    this.#tally.add(exchange.kind, exchange.error?.code ?? 'ok', duration_ms / 1000);
  }

  get content_type(): string {
    return this.#registry.contentType;
  }

  /** Everything in the Prometheus text format. */
  async render(): Promise<string> {
    return this.#tally.render() + (await this.#registry.metrics());
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
