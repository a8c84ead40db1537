import { describe, expect, it } from 'vitest';
import { judgeGrowth, type Sample } from './sample.js';

/** Samples of ten minutes; `heap` and `descriptors` as they are given. */
function samples(heap: (index: number) => number, descriptors = (_index: number) => 30): readonly Sample[] {
  return Array.from({ length: 20 }, (_, index) => ({
    minute: index / 2,
    rss: 150,
    heap: heap(index),
    external: 4,
    descriptors: descriptors(index),
    timers: 0,
    children: 1,
  }));
}
const tooMuch = (taken: readonly Sample[]) =>
  judgeGrowth(taken)
    .filter(({ growth, tolerance }) => growth > tolerance)
    .map(({ name }) => name);

describe('growth', () => {
  it('is not seen in noise, nor in caches that fill in the first half, nor in one bad moment', () => {
    expect(tooMuch(samples((index) => 45 + (index % 2)))).toEqual([]);
    expect(tooMuch(samples((index) => 40 + Math.min(index, 9)))).toEqual([]);
    expect(tooMuch(samples((index) => (index === 18 ? 90 : 45)))).toEqual([]);
  });

  it('is seen in a leak of half a megabyte a minute, and of two descriptors a sample', () => {
    expect(tooMuch(samples((index) => 45 + (index % 2) + index / 4))).toEqual(['heap']);
    expect(
      tooMuch(
        samples(
          () => 45,
          (index) => 30 + 2 * index,
        ),
      ),
    ).toEqual(['descriptors']);
  });
});
