/** Gauges that say how much there is in each process; of all others the worst of all workers is told. */
const summed =
  /^(gatehouse_requests_active|gatehouse_manual_cache_bytes|gatehouse_trace_spans_lost|process_\w+_bytes|process_open_fds|nodejs_active_\w+|nodejs_heap_\w+|nodejs_external_memory_bytes)$/;
/** Gauges where less is worse. */
const least = /^gatehouse_upstream_up$/;

interface Family {
  readonly head: string[];
  readonly isGauge: boolean;
  readonly samples: Map<string, number>;
}

/** Makes one text in the Prometheus format of those of all workers: counters and histograms are added up. */
export function mergeMetrics(texts: readonly string[]): string {
  const families = new Map<string, Family>();
  for (const text of texts) addText(families, text);
  return [...families.values()]
    .map(({ head, samples }) => [...head, ...Array.from(samples, ([name, value]) => `${name} ${value}`)].join('\n'))
    .join('\n')
    .concat('\n');
}

function addText(families: Map<string, Family>, text: string): void {
  let family: Family | undefined;
  for (const line of text.split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind !== undefined) {
      family = openFamily(families, name, kind === 'TYPE' && rest === 'gauge');
      if (!family.head.includes(line)) family.head.push(line);
    } else if (line !== '' && family) addSample(family, line);
  }
}

function openFamily(families: Map<string, Family>, name: string, isGauge: boolean): Family {
  const known = families.get(name);
  if (known && (known.isGauge || !isGauge)) return known;
  const family = { head: known?.head ?? [], isGauge, samples: known?.samples ?? new Map<string, number>() };
  families.set(name, family);
  return family;
}

function addSample({ isGauge, samples }: Family, line: string): void {
  const end = line.lastIndexOf(' ');
  const key = line.slice(0, end);
  const value = Number(line.slice(end + 1));
  const before = samples.get(key);
  samples.set(key, before === undefined ? value : combine(key.replace(/\{.*/s, ''), isGauge, before, value));
}

function combine(name: string, isGauge: boolean, one: number, other: number): number {
  if (!isGauge || summed.test(name)) return one + other;
  return least.test(name) ? Math.min(one, other) : Math.max(one, other);
}
