import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Replica } from '../support/replica.js';

/** What a server holds at rest, garbage collected. */
export interface Sample {
  readonly minute: number;
  /** Mebibytes. */
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
  readonly descriptors: number;
  readonly timers: number;
  /** Processes that it has started and that live, or that it has not reaped. */
  readonly children: number;
}

/** What is judged: name, unit, and how much the second half of a run may add to it. */
export const measures = [
  { name: 'heap', unit: 'MiB', tolerance: 2 },
  { name: 'external', unit: 'MiB', tolerance: 2 },
  { name: 'rss', unit: 'MiB', tolerance: 12 },
  // Connections to upstreams are kept for a while, now more and now fewer.
  { name: 'descriptors', unit: '', tolerance: 10 },
  { name: 'timers', unit: '', tolerance: 2 },
  { name: 'children', unit: '', tolerance: 0.5 },
] as const;
export type MeasureName = (typeof measures)[number]['name'];

export interface Verdict {
  readonly name: MeasureName;
  readonly unit: string;
  /** Medians of the samples in the second and in the last quarter. */
  readonly middle: number;
  readonly end: number;
  /** What the slope over the second half comes to in that half. */
  readonly growth: number;
  readonly tolerance: number;
}

/** The options with which Node loads the sampler into a server. */
export const samplerOptions: readonly string[] = ['--expose-gc', '--import', join(import.meta.dirname, 'sampler.js')];

/** Asks a server that was started with `samplerOptions`. */
export async function takeSample({ child, pid }: Replica, minute: number): Promise<Sample> {
  const answered = once(child, 'message');
  child.send('sample');
  const [{ rss, heap, external, descriptors, timers }] = await answered;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).length;
  return {
    minute,
    rss: toMebibytes(rss),
    heap: toMebibytes(heap),
    external: toMebibytes(external),
    descriptors,
    timers,
    children,
  };
}

function toMebibytes(bytes: number): number {
  return bytes / 2 ** 20;
}

/**
 * Judges the second half of a run, when caches are full and code is compiled, by its median slope (Theil and Sen): one
 * sample taken at a bad moment moves it little, a leak moves it surely.
 */
export function judgeGrowth(samples: readonly Sample[]): readonly Verdict[] {
  const half = samples.slice(Math.floor(samples.length / 2));
  const span = (half.at(-1)?.minute ?? 0) - (half[0]?.minute ?? 0);
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  return measures.map(({ name, unit, tolerance }) => ({
    name,
    unit,
    middle: median(samples.slice(quarter, 2 * quarter).map((sample) => sample[name])),
    end: median(samples.slice(-quarter).map((sample) => sample[name])),
    growth: findSlope(half.map((sample) => [sample.minute, sample[name]])) * span,
    tolerance,
  }));
}

/** The median of the slopes of all pairs. */
export function findSlope(points: readonly (readonly [number, number])[]): number {
  const slopes = points.flatMap(([x, y], index) =>
    points
      .slice(index + 1)
      .filter(([later]) => later > x)
      .map(([later, value]) => (value - y) / (later - x)),
  );
  return median(slopes);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return (low + high) / 2;
}
