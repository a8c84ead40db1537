/** The results as Markdown. */
const fixed = (value, digits = 2) => (value === undefined || value === null ? '–' : value.toFixed(digits));

export const contenderNames = {
  gatehouse: 'Gatehouse, every control on',
  raw: '`node:http`',
  fastify: 'bare Fastify, no control',
  naive: 'Fastify with plugins',
  mcp: 'MCP SDK server, no control',
  guide: 'the guide’s FastAPI example',
  dispatch: '`node:http` with undici’s dispatch, no control',
  'reply-from': 'bare @fastify/reply-from',
  nginx: 'nginx proxy_pass with limit_req and log',
};
const nameOf = (id) => contenderNames[id] ?? id.replace(/^gatehouse, /, 'Gatehouse, ');

/** A Markdown table whose columns are aligned. */
export function renderTable(head, rows) {
  const widths = head.map((title, column) =>
    Math.max(...[title, ...rows.map((row) => row[column])].map((cell) => cell.length)),
  );
  const line = (cells, filler = ' ') =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column], filler)).join(' | ')} |`;
  return [
    line(head),
    line(
      head.map(() => ''),
      '-',
    ),
    ...rows.map((row) => line(row)),
  ].join('\n');
}

function renderResult({ title, goals }, { contender, base, ratio, cpu_ratio, sides }) {
  const isOurs = contender.startsWith('gatehouse');
  return [
    title,
    nameOf(contender),
    nameOf(base),
    `${fixed(ratio.median)} (${fixed(ratio.least)}–${fixed(ratio.most)})`,
    fixed(cpu_ratio?.median),
    isOurs && goals[base] !== undefined ? `≥ ${fixed(goals[base])}` : '',
    fixed(sides.contender.p50_ms),
    `${fixed(sides.contender.p99_ms)} (${fixed(sides.base.p99_ms)})`,
    `${fixed(sides.contender.cpu_us, 1)} (${fixed(sides.base.cpu_us, 1)})`,
    fixed(sides.contender.memory_mib, 0),
  ];
}

function renderFact({ goals }, result) {
  const { first_build_ms, first_build_bytes, cache_bytes, loaded_mib, source_mib, start_ms } = result;
  return [
    first_build_ms && [
      `first build of a manual of 10,000 tools (${fixed(first_build_bytes / 2 ** 20, 1)} MiB)`,
      `${fixed(first_build_ms, 0)} ms`,
      `≤ ${goals.first_build_ms} ms`,
    ],
    cache_bytes && [
      'built manuals held, of 1,000 permission sets',
      `${fixed(cache_bytes / 2 ** 20, 1)} MiB`,
      '≤ 64 MiB',
    ],
    loaded_mib && [
      `memory with 100,000 tools (sources of ${fixed(source_mib, 0)} MiB)`,
      `${fixed(loaded_mib, 0)} MiB`,
      `≤ ${fixed(3 * source_mib + 150, 0)} MiB`,
    ],
    start_ms && [
      'start with the OpenAPI document of GitHub, to ready',
      `${fixed(start_ms, 0)} ms`,
      `≤ ${goals.start_ms} ms`,
    ],
  ].filter(Boolean);
}

export function renderResults({ machine, settings, date, rows }) {
  const compared = rows.flatMap((row) =>
    row.results.filter(({ ratio }) => ratio).map((result) => renderResult(row, result)),
  );
  const facts = rows.flatMap((row) => row.results.flatMap((result) => renderFact(row, result)));
  const { cpu, cores, memory_gib, platform, node, pinned } = machine;
  return [
    `Measured on ${date}: ${cpu}, ${cores} cores, ${memory_gib} GiB, ${platform}, Node ${node}; ` +
      `${pinned ? 'server and load each kept on a core' : 'processes not kept on cores'}; ` +
      `${settings.pairs} pairs of runs of ${settings.run_ms} ms.`,
    renderTable(
      [
        'work',
        'contender',
        'compared with',
        'ratio (spread)',
        'by CPU time',
        'goal',
        'p50 ms',
        'p99 ms',
        'CPU µs',
        'MiB',
      ],
      compared,
    ),
    renderTable(['fact', 'measured', 'goal'], facts),
  ].join('\n\n');
}

export function renderStages({ machine, works }) {
  const names = Object.keys(works);
  const row = (title, read) => [title, ...names.map((name) => fixed(read(works[name]), 1))];
  const [first] = Object.values(works);
  return [
    `Microseconds of processor time a request, on ${machine.cpu} with Node ${machine.node}:`,
    renderTable(
      ['stage', ...names],
      [
        row('`node:http`, the same bytes', ({ raw_us }) => raw_us),
        row('bare Fastify over that', ({ fastify_us }) => fastify_us),
        ...Object.keys(first.stages_us).map((stage) => row(stage, ({ stages_us }) => stages_us[stage])),
        row('all of these stages at once', ({ all_stages_us }) => all_stages_us),
        row('Gatehouse over `node:http`', ({ whole_us }) => whole_us),
      ],
    ),
  ].join('\n\n');
}
