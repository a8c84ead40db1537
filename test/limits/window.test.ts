import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Limit } from '../../src/limits/limiter.js';
import { SlidingWindow } from '../../src/limits/window.js';

const makeLimit = (limit: number, window_ms: number): Limit => ({
  key: 'k',
  subject: 's',
  name: 'n',
  limit,
  window_ms,
});

/** What a window must say, from every single time that was counted. */
class Model {
  times: number[] = [];
  constructor(readonly limit: Limit) {}

  expire(now: number): void {
    this.times = this.times.filter((time) => time > now - this.limit.window_ms);
  }

  tell(now: number) {
    const { limit, window_ms } = this.limit;
    const freeing = this.times.at(-limit);
    return {
      total: this.times.length,
      full: this.times.length >= limit,
      room: freeing === undefined ? 0 : freeing + window_ms - now,
      empty: this.times.length === 0 ? 0 : (this.times.at(-1) ?? 0) + window_ms - now,
    };
  }
}

const tell = (window: SlidingWindow, now: number) => ({
  total: window.total,
  full: window.full,
  room: window.untilRoom(now),
  empty: window.untilEmpty(now),
});

describe('a sliding window', () => {
  it('counts as a list of every request does, to the millisecond, whatever comes when', () => {
    const steps = fc.array(
      fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 }), fc.integer({ max: 3000, min: 0 })),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 2000 }),
        steps,
        (count, window_ms, waits) => {
          const limit = makeLimit(count, window_ms);
          const window = new SlidingWindow(limit);
          const model = new Model(limit);
          let now = 5;
          for (const wait of waits) {
            now += wait;
            window.expire(now);
            model.expire(now);
            expect(tell(window, now)).toEqual(model.tell(now));
            if (window.full) continue;
            window.add(now);
            model.times.push(now);
          }
        },
      ),
    );
  });

  it('keeps what counts when a limit becomes coarse, fine or narrow', () => {
    const window = new SlidingWindow(makeLimit(50, 60_000));
    for (let now = 0; now < 30; now++) window.add(now);
    window.follow(makeLimit(6000, 60_000));
    window.add(40);
    window.follow(makeLimit(50, 60_000));
    window.add(50);
    window.expire(1000);
    expect([window.total, window.remaining]).toEqual([32, 18]);
    window.follow(makeLimit(50, 500));
    window.expire(1600);
    expect(window.total).toBe(0);
  });
});
