import { collectDefaultMetrics, Registry } from 'prom-client';
import type { GatehouseError } from '../core/index.js';
import type { SecurityEvent } from '../events/index.js';
import type { Exchange } from '../pipeline/index.js';
import { type GaugeSources, registerGauges } from './gauges.js';
import { CountTally, DurationTally } from './tally.js';

/** Upstreams that have a label of their own; a configuration may name very many. */
const maxUpstreams = 200;

/**
 * Prometheus metrics. Labels are closed sets and configured names, never what a sender chose, so that nobody can make
 * them grow (docs/observability.md lists them).
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = count('requests_total', 'Requests by route and error code (ok: none).', 'route', 'outcome');
  readonly #durations = time('request_duration_seconds', 'From the first hook to the recorded end.', 'route');
  readonly #calls = count('upstream_calls_total', 'Calls to upstreams by how they ended.', 'upstream', 'outcome');
  readonly #callDurations = time('upstream_duration_seconds', 'Time that an upstream took for a call.', 'upstream');
  readonly #refusals = count('limit_rejections_total', 'Requests refused by a limit, a cap or a breaker.', 'limit');
  readonly #credentials = count('credential_cache_total', 'Good credentials: remembered, or verified anew.', 'result');
  readonly #views = count('manual_cache_total', 'Manuals asked for: built already, or built anew.', 'result');
  readonly #events = count('security_events_total', 'Security events by name and outcome.', 'event', 'outcome');
  readonly #anomalies = count('anomalies_total', 'Findings of the anomaly detector by kind.', 'kind');
  readonly #upstreams = new Set<string>();

  constructor(sources: GaugeSources) {
    collectDefaultMetrics({ register: this.#registry });
    registerGauges(this.#registry, sources);
  }

  /** Counts a finished exchange. */
  observe(exchange: Exchange, duration_ms: number): void {
    const { route, error } = exchange;
    this.#requests.add(route, error?.code ?? 'ok');
    this.#durations.observe(route, duration_ms / 1000);
    if (exchange.principal) this.#credentials.add(exchange.verified_freshly ? 'miss' : 'hit');
    if (error) this.#countRefusal(exchange, error);
    if (exchange.upstream_ms !== undefined) this.#countCall(exchange, exchange.upstream_ms);
  }

  countEvent({ event, outcome, reason }: SecurityEvent): void {
    this.#events.add(event, outcome);
    if (event === 'anomaly.detected') this.#anomalies.add(reason ?? 'unknown');
  }

  countView(known: boolean): void {
    this.#views.add(known ? 'hit' : 'miss');
  }

  get content_type(): string {
    return this.#registry.contentType;
  }

  /** Everything in the Prometheus text format. */
  async render(): Promise<string> {
    const own = [
      this.#requests,
      this.#durations,
      this.#calls,
      this.#callDurations,
      this.#refusals,
      this.#credentials,
      this.#views,
      this.#events,
      this.#anomalies,
    ];
    return own.map((tally) => tally.render()).join('') + (await this.#registry.metrics());
  }

  #countRefusal(exchange: Exchange, error: GatehouseError): void {
    const isOfServer = error.code === 'overloaded' || error.code === 'upstream_unavailable';
    if (error.code === 'rate_limited') this.#refusals.add(exchange.limit ?? error.reason);
    else if (isOfServer && exchange.upstream_ms === undefined) this.#refusals.add(error.reason);
  }

  #countCall(exchange: Exchange, upstream_ms: number): void {
    const upstream = this.#labelOf(exchange.runtime?.upstream ?? '');
    this.#calls.add(upstream, exchange.error?.code ?? 'ok');
    this.#callDurations.observe(upstream, upstream_ms / 1000);
  }

  #labelOf(upstream: string): string {
    if (this.#upstreams.has(upstream)) return upstream;
    if (this.#upstreams.size >= maxUpstreams) return 'other';
    this.#upstreams.add(upstream);
    return upstream;
  }
}

function count(name: string, help: string, label: string, other?: string): CountTally {
  return new CountTally(`gatehouse_${name}`, help, [label, other]);
}

function time(name: string, help: string, label: string): DurationTally {
  return new DurationTally(`gatehouse_${name}`, help, label);
}
