import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { granuleOf, type Limit, type Limiter } from '../../src/limits/limiter.js';

/** A limiter on a clock that the test moves. */
export interface LimiterBench {
  readonly limiter: Limiter;
  /** Moves the clock on. */
  advance(ms: number): void;
}

export function limitOf(limit: number, window_ms: number, name = 'per_minute', subject = 'alice'): Limit {
  return { key: `caller ${name} ${subject}`, subject, name, limit, window_ms };
}

/** What every limiter promises, whatever it stands on. `open` gives an empty one. */
export function describeLimiter(name: string, open: () => LimiterBench | Promise<LimiterBench>, runs = 100): void {
  describe(name, () => {
    it('allows exactly the limit, then says when the next one is allowed, and means it', async () => {
      const { limiter, advance } = await open();
      const limits = [limitOf(3, 60_000)];
      for (const remaining of [2, 1, 0]) {
        expect(await limiter.take(limits)).toMatchObject({ allowed: true, remaining, retry_after_ms: 0 });
        advance(1000);
      }
      expect(await limiter.take(limits)).toMatchObject({ allowed: false, remaining: 0, retry_after_ms: 57_000 });
      advance(56_999);
      expect((await limiter.take(limits)).allowed).toBe(false);
      advance(1);
      expect(await limiter.take(limits)).toMatchObject({ allowed: true, remaining: 0 });
    });

    it('does not count a refused request', async () => {
      const { limiter, advance } = await open();
      const limits = [limitOf(1, 1000)];
      await limiter.take(limits);
      for (let tries = 0; tries < 10; tries++) {
        advance(90);
        expect((await limiter.take(limits)).allowed).toBe(false);
      }
      advance(100);
      expect((await limiter.take(limits)).allowed).toBe(true);
    });

    it('takes all limits of a request together or none', async () => {
      const { limiter, advance } = await open();
      const minute = limitOf(10, 60_000);
      const tool = limitOf(1, 60_000, 'tool_per_minute');
      expect((await limiter.take([minute, tool])).limit.name).toBe('tool_per_minute');
      for (let tries = 0; tries < 20; tries++) expect((await limiter.take([minute, tool])).allowed).toBe(false);
      expect(await limiter.peek([minute])).toMatchObject({ allowed: true, remaining: 9 });
      advance(60_000);
      expect((await limiter.take([minute, tool])).allowed).toBe(true);
    });

    it('names the full limit that takes longest to have room', async () => {
      const { limiter } = await open();
      const limits = [limitOf(2, 1000), limitOf(2, 5000, 'per_hour')];
      await limiter.take(limits);
      await limiter.take(limits);
      expect(await limiter.take(limits)).toMatchObject({ limit: { name: 'per_hour' }, retry_after_ms: 5000 });
    });

    it('keeps one caller out of the other’s count', async () => {
      const { limiter } = await open();
      await limiter.take([limitOf(1, 60_000)]);
      expect((await limiter.take([limitOf(1, 60_000)])).allowed).toBe(false);
      expect((await limiter.take([limitOf(1, 60_000, 'per_minute', 'bob')])).allowed).toBe(true);
    });

    it('peeks without counting', async () => {
      const { limiter } = await open();
      const limits = [limitOf(2, 60_000)];
      for (let peeks = 0; peeks < 5; peeks++) {
        expect(await limiter.peek(limits)).toMatchObject({ allowed: true, remaining: 2 });
      }
      await limiter.take(limits);
      await limiter.take(limits);
      expect(await limiter.peek(limits)).toMatchObject({ allowed: false, retry_after_ms: 60_000 });
    });

    it('keeps what was counted when a reload changes the limit', async () => {
      const { limiter } = await open();
      for (let calls = 0; calls < 70; calls++) await limiter.take([limitOf(100, 60_000)]);
      expect((await limiter.take([limitOf(50, 60_000)])).allowed).toBe(false);
      expect(await limiter.take([limitOf(71, 60_000)])).toMatchObject({ allowed: true, remaining: 0 });
    });

    it('never allows more than the limit in any window, and refuses none that a sixtieth of it would not explain', async () => {
      const step = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 3000 }));
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 1, max: 130 }),
          fc.integer({ min: 50, max: 4000 }),
          fc.array(step, { minLength: 1, maxLength: 300 }),
          async (max, window_ms, steps) => {
            const { limiter, advance } = await open();
            const limit = limitOf(max, window_ms);
            const accepted: number[] = [];
            let now = 0;
            for (const ms of steps) {
              advance(ms);
              now += ms;
              const decision = await limiter.take([limit]);
              const within = (span: number) => accepted.filter((time) => time > now - span).length;
              if (decision.allowed) {
                accepted.push(now);
                expect(within(window_ms)).toBeLessThanOrEqual(max);
                expect(decision.remaining).toBeLessThanOrEqual(max - within(window_ms));
              } else {
                expect(within(window_ms + granuleOf(limit) - 1)).toBeGreaterThanOrEqual(max);
                expect(decision.retry_after_ms).toBeGreaterThan(0);
                expect(decision.retry_after_ms).toBeLessThan(window_ms + granuleOf(limit));
              }
            }
            await limiter.close();
          },
        ),
        { numRuns: runs },
      );
    });
  });
}
