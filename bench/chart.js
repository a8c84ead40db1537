/** The ratios to node:http as a bar chart, without a script or a font of its own. */
import { contenderNames } from './tables.js';

const left = 260;
const width = 900;
const scale = 520;
const bar = 18;
const gap = 6;

const escapeText = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('`', '');
const place = (value) => (left + value * scale).toFixed(1);

function renderBar({ contender, ratio }, y) {
  const isOurs = contender === 'gatehouse';
  const end = place(Math.min(1, ratio.median));
  const middle = y + bar / 2;
  return [
    `<text x="${left - 8}" y="${middle + 4}" text-anchor="end">${escapeText(contenderNames[contender])}</text>`,
    `<rect x="${left}" y="${y}" width="${(end - left).toFixed(1)}" height="${bar}" class="${isOurs ? 'ours' : 'other'}"/>`,
    `<path d="M${place(Math.min(1, ratio.least))} ${middle}H${place(Math.min(1, ratio.most))}" class="spread"/>`,
    `<text x="${Number(place(Math.min(1, Math.max(ratio.median, ratio.most)))) + 8}" y="${middle + 4}">${ratio.median.toFixed(2)}</text>`,
  ].join('\n');
}

function renderGroup({ title, goals, results }, y) {
  const lines = [`<text x="${left}" y="${y + 14}" class="title">${escapeText(title)}</text>`];
  let at = y + 24;
  const top = at;
  for (const result of results) {
    lines.push(renderBar(result, at));
    at += bar + gap;
  }
  const goal = place(goals.raw);
  lines.push(`<path d="M${goal} ${top - 2}V${at - gap + 2}" class="goal"/>`);
  return { text: lines.join('\n'), end: at + 12 };
}

/** An SVG of the rows that are compared with node:http. */
export function renderChart({ rows }) {
  const groups = rows
    .filter(({ goals }) => goals.raw !== undefined)
    .map((row) => ({ ...row, results: row.results.filter(({ base }) => base === 'raw') }));
  let y = 44;
  const parts = groups.map((group) => {
    const { text, end } = renderGroup(group, y);
    y = end;
    return text;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (value) =>
      `<path d="M${place(value)} 34V${y}" class="grid"/><text x="${place(value)}" y="28" text-anchor="middle">${value}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 10}" role="img" aria-labelledby="title">
<title id="title">Requests a second as a share of what node:http reaches with the same bytes</title>
<style>
svg { background: #fff; font: 13px system-ui, sans-serif; }
text { fill: #24292f; }
.title { font-weight: 600; }
.ours { fill: #1a7f5a; }
.other { fill: #9aa4ad; }
.spread { stroke: #24292f; stroke-width: 1.5; }
.goal { stroke: #b3261e; stroke-width: 2; stroke-dasharray: 4 3; }
.grid { stroke: #e3e6e8; }
</style>
<text x="${left - 8}" y="14" text-anchor="end">share of node:http (1 is the ceiling)</text>
${[...ticks, ...parts].join('\n')}
</svg>
`;
}
