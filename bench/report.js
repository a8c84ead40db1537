/** One row of results as lines for a terminal. */
export function renderRow({ title, goals, results }) {
  const lines = results.map(
    (result) => `  ${[describeRatio(result, goals), ...describeFacts(result)].filter(Boolean).join('; ')}`,
  );
  return [title, ...(lines.length > 0 ? lines : ['  nothing to measure it on here'])].join('\n');
}

const fixed = (value, digits = 2) => (value === undefined ? '–' : value.toFixed(digits));

function describeRatio({ contender, base, ratio, cpu_ratio, sides }, goals) {
  if (!ratio) return contender;
  const goal = goals[base] !== undefined && contender.startsWith('gatehouse') ? `, goal ${goals[base]}` : '';
  return [
    `${contender} ${fixed(ratio.median)} of ${base} (${fixed(ratio.least)} to ${fixed(ratio.most)}${goal})`,
    `by processor time ${fixed(cpu_ratio?.median)}`,
    `${fixed(sides.contender.rate, 0)}/s for ${fixed(sides.base.rate, 0)}/s`,
    `p50 ${fixed(sides.contender.p50_ms)} ms, p99 ${fixed(sides.contender.p99_ms)} ms (${fixed(sides.base.p99_ms)})`,
    `${fixed(sides.contender.cpu_us, 1)} µs a request (${fixed(sides.base.cpu_us, 1)})`,
    `${fixed(sides.contender.memory_mib, 0)} MiB`,
    ...(isLoadBound(sides) ? ['the load was the bottleneck'] : []),
  ].join('; ');
}

/** Whether the load had no time left while the server had: the ratio is then no more than a bound. */
function isLoadBound({ base, contender }) {
  return [base, contender].some(({ load_busy, server_busy }) => load_busy > 0.95 && (server_busy ?? 1) < 0.9);
}

function describeFacts({ first_build_ms, first_build_bytes, cache_bytes, loaded_mib, source_mib, start_ms }) {
  return [
    first_build_ms &&
      `the first build of ${fixed(first_build_bytes / 2 ** 20, 1)} MiB took ${fixed(first_build_ms, 0)} ms`,
    cache_bytes && `the cache holds ${fixed(cache_bytes / 2 ** 20, 1)} MiB`,
    loaded_mib && `${fixed(loaded_mib, 0)} MiB for sources of ${fixed(source_mib, 0)} MiB`,
    start_ms && `ready after ${fixed(start_ms, 0)} ms`,
  ];
}
