import fc from 'fast-check';
import { expect, it } from 'vitest';
import { EventClock } from '../../src/events/clock.js';

it('writes every time as toISOString does, whatever came before', () => {
  const clock = new EventClock();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4_102_444_800_000 })), (times) => {
      for (const time of times.flatMap((at) => [at, at + 1, at])) {
        expect(clock.format(time)).toBe(new Date(time).toISOString());
      }
    }),
  );
});
