import { renderTable } from '../support/table.js';
import { measures, type Sample, type Verdict } from './sample.js';
import type { SoakResult } from './soak.js';

/** One line while a soak runs. */
export function describeSample(sample: Sample): string {
  const parts = measures.map(({ name, unit }) => `${name} ${round(sample[name])}${unit && ` ${unit}`}`);
  return `${sample.minute.toFixed(1).padStart(5)} min  ${parts.join(', ')}`;
}

/** What a soak came to. */
export function describeVerdicts(verdicts: readonly Verdict[]): string {
  const head = [
    'at rest, garbage collected',
    'second quarter',
    'last quarter',
    'slope over the second half',
    'allowed',
  ];
  return renderTable([
    head,
    ...verdicts.map(({ name, unit, middle, end, growth, tolerance }) => [
      unit === '' ? name : `${name}, ${unit}`,
      round(middle),
      round(end),
      `${growth > 0 ? '+' : ''}${round(growth)}`,
      `+${round(tolerance)}`,
    ]),
  ]);
}

export function describeOutcomes({ outcomes, requests, reloads }: SoakResult): string {
  const rows = [...outcomes].map(([name, counts]) => [
    name,
    [...counts]
      .sort(([, one], [, two]) => two - one)
      .map(([outcome, count]) => `${outcome}: ${count}`)
      .join(', '),
  ]);
  return `${requests} requests, ${reloads} reloads\n\n${renderTable([['traffic', 'ended in'], ...rows])}`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}
