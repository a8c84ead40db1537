import type { ExchangeKind } from '../pipeline/index.js';

/** Upper bounds of the duration buckets, in seconds. */
const bounds_s = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** The finished exchanges of one kind. */
class KindTally {
  readonly outcomes = new Map<string, number>();
  /** One more than there are bounds: what took longer than all. */
  readonly buckets = new Float64Array(bounds_s.length + 1);
  sum_s = 0;
}

/**
 * Counts every finished exchange by kind and outcome, and how long it took. prom-client hashes its labels anew for each
 * observation, which costs a request more than its permission check; this adds to numbers and writes the Prometheus text
 * format (version 0.0.4) when it is scraped.
 */
export class RequestTally {
  readonly #kinds = new Map<ExchangeKind, KindTally>();

  add(kind: ExchangeKind, outcome: string, duration_s: number): void {
    let tally = this.#kinds.get(kind);
    if (!tally) {
      tally = new KindTally();
      this.#kinds.set(kind, tally);
    }
    tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1);
    tally.sum_s += duration_s;
    let bucket = 0;
    while (bucket < bounds_s.length && duration_s > (bounds_s[bucket] ?? 0)) bucket++;
    tally.buckets[bucket] = (tally.buckets[bucket] ?? 0) + 1;
  }

  /** Both metric families, each line ended. */
  render(): string {
    const total = 'gatehouse_requests_total';
    const duration = 'gatehouse_request_duration_seconds';
    const lines = [
      `# HELP ${total} Requests by kind and by error code (ok when there was none).`,
      `# TYPE ${total} counter`,
      ...[...this.#kinds].flatMap(([kind, { outcomes }]) =>
        [...outcomes].map(([outcome, count]) => `${total}{kind="${kind}",outcome="${outcome}"} ${count}`),
      ),
      `# HELP ${duration} Time from the first hook to the recorded end.`,
      `# TYPE ${duration} histogram`,
      ...[...this.#kinds].flatMap(([kind, tally]) => renderDurations(duration, kind, tally)),
    ];
    return `${lines.join('\n')}\n`;
  }
}

function renderDurations(name: string, kind: ExchangeKind, { buckets, sum_s }: KindTally): string[] {
  let count = 0;
  const lines = [...bounds_s, '+Inf'].map((bound, index) => {
    count += buckets[index] ?? 0;
    return `${name}_bucket{le="${bound}",kind="${kind}"} ${count}`;
  });
  return [...lines, `${name}_sum{kind="${kind}"} ${sum_s}`, `${name}_count{kind="${kind}"} ${count}`];
}
