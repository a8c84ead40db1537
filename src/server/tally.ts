/** Upper bounds of the duration buckets, in seconds. */
const bounds_s = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/**
 * A counter with one or two labels. prom-client hashes its labels anew for each observation, which costs a request more
 * than its permission check; this adds to numbers and writes the Prometheus text format (version 0.0.4) when it is scraped.
 */
export class CountTally {
  readonly #counts = new Map<string, Map<string, Count>>();

  constructor(
    readonly name: string,
    readonly help: string,
    readonly labels: readonly [string, (string | undefined)?],
  ) {}

  add(one: string, other = ''): void {
    let others = this.#counts.get(one);
    if (!others) {
      others = new Map();
      this.#counts.set(one, others);
    }
    const known = others.get(other);
    if (known) known.count++;
    else others.set(other, { count: 1 });
  }

  /** The metric family, each line ended. */
  render(): string {
    const [first, second] = this.labels;
    const lines = [...this.#counts].flatMap(([one, others]) =>
      [...others].map(([other, { count }]) => {
        const rest = second === undefined ? '' : `,${second}="${escapeLabel(other)}"`;
        return `${this.name}{${first}="${escapeLabel(one)}"${rest}} ${count}\n`;
      }),
    );
    return `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} counter\n${lines.join('')}`;
  }
}

/** Counted in place: to put a number back into a map is to look for its key again. */
interface Count {
  count: number;
}

/** Durations under one value of the label. */
class Durations {
  /** One more than there are bounds: what took longer than all. */
  readonly buckets = new Float64Array(bounds_s.length + 1);
  sum_s = 0;
}

/** A histogram of durations with one label, counted as `CountTally` counts. */
export class DurationTally {
  readonly #durations = new Map<string, Durations>();

  constructor(
    readonly name: string,
    readonly help: string,
    readonly label: string,
  ) {}

  observe(value: string, duration_s: number): void {
    let durations = this.#durations.get(value);
    if (!durations) {
      durations = new Durations();
      this.#durations.set(value, durations);
    }
    durations.sum_s += duration_s;
    let bucket = 0;
    while (bucket < bounds_s.length && duration_s > (bounds_s[bucket] ?? 0)) bucket++;
    durations.buckets[bucket] = (durations.buckets[bucket] ?? 0) + 1;
  }

  /** The metric family, each line ended. */
  render(): string {
    const lines = [...this.#durations].flatMap(([value, durations]) => this.#renderOne(value, durations));
    return `# HELP ${this.name} ${this.help}\n# TYPE ${this.name} histogram\n${lines.join('')}`;
  }

  #renderOne(value: string, { buckets, sum_s }: Durations): string[] {
    const label = `${this.label}="${escapeLabel(value)}"`;
    let count = 0;
    const lines = [...bounds_s, '+Inf'].map((bound, index) => {
      count += buckets[index] ?? 0;
      return `${this.name}_bucket{le="${bound}",${label}} ${count}\n`;
    });
    return [...lines, `${this.name}_sum{${label}} ${sum_s}\n`, `${this.name}_count{${label}} ${count}\n`];
  }
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
