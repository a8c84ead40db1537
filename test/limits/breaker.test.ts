import { describe, expect, it } from 'vitest';
import { Breakers } from '../../src/limits/breaker.js';
import { limitsSchema } from '../../src/limits/config.js';

function openBench(settings: Record<string, unknown> = {}) {
  let now = 1_000_000;
  const changes: string[] = [];
  const config = limitsSchema.parse({ circuit_breaker: settings }).circuit_breaker;
  const breakers = new Breakers(
    config,
    (upstream, state) => changes.push(`${upstream} ${state}`),
    () => now,
  );
  const breaker = breakers.of('api.example');
  return {
    breakers,
    breaker,
    changes,
    advance(ms: number) {
      now += ms;
    },
    /** Runs so many calls; gives how many were let through. */
    call(times: number, good: boolean): number {
      let entered = 0;
      for (let calls = 0; calls < times; calls++) {
        const ticket = breaker.enter();
        if (ticket === 0) continue;
        entered++;
        breaker.settle(ticket, good);
      }
      return entered;
    },
  };
}

describe('the circuit breaker of an upstream', () => {
  it('lets everything through while the upstream answers', () => {
    const { call, breaker } = openBench();
    expect(call(1000, true)).toBe(1000);
    expect([breaker.state, breaker.retry_after_ms]).toEqual(['closed', 0]);
  });

  it('opens when the share of failures is reached, and says when to come again', () => {
    const { call, breaker, advance } = openBench();
    expect(call(100, false)).toBe(10);
    expect([breaker.state, breaker.retry_after_ms]).toEqual(['open', 5000]);
    advance(4000);
    expect([breaker.enter(), breaker.retry_after_ms]).toEqual([0, 1000]);
  });

  it('stays closed for a few failures among many good calls, and for few calls at all', () => {
    const few = openBench();
    expect(few.call(9, false)).toBe(9);
    expect(few.breaker.state).toBe('closed');
    const many = openBench();
    for (let round = 0; round < 50; round++) {
      many.call(3, true);
      many.call(2, false);
    }
    expect(many.breaker.state).toBe('closed');
  });

  it('forgets failures that are older than its window', () => {
    const { call, breaker, advance } = openBench();
    call(9, false);
    advance(11_000);
    call(9, false);
    expect(breaker.state).toBe('closed');
    advance(5000);
    call(1, false);
    expect(breaker.state).toBe('open');
  });

  it('tries one call at a time after the cool-down, and closes after enough good ones', () => {
    const { call, breaker, advance, changes } = openBench();
    call(10, false);
    advance(5000);
    const trial = breaker.enter();
    expect([trial > 0, breaker.enter()]).toEqual([true, 0]);
    breaker.settle(trial, true);
    expect(breaker.state).toBe('half_open');
    breaker.settle(breaker.enter(), true);
    expect(call(100, true)).toBe(100);
    expect(changes).toEqual(['api.example open', 'api.example half_open', 'api.example closed']);
  });

  it('opens again for longer when the trial fails', () => {
    const { call, breaker, advance } = openBench();
    call(10, false);
    const waits = [];
    for (let round = 0; round < 6; round++) {
      waits.push(breaker.retry_after_ms);
      advance(breaker.retry_after_ms);
      expect(call(5, false)).toBe(1);
    }
    expect(waits).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it('is not kept half open by a trial whose end is never told, nor by one that the client gave up', () => {
    const { call, breaker, advance } = openBench();
    call(10, false);
    advance(5000);
    expect(breaker.enter()).toBeGreaterThan(0);
    advance(5000);
    const trial = breaker.enter();
    expect(trial).toBeGreaterThan(0);
    breaker.abandon(trial);
    expect(breaker.enter()).toBeGreaterThan(0);
  });

  it('learns nothing from a slow call that was begun before it opened', () => {
    const { call, breaker, advance } = openBench({ probes: 1 });
    const slow = breaker.enter();
    call(10, false);
    advance(5000);
    expect(breaker.enter()).toBeGreaterThan(0);
    breaker.settle(slow, true);
    expect([breaker.state, breaker.enter()]).toEqual(['half_open', 0]);
  });

  it('leaves other upstreams alone', () => {
    const { call, breakers } = openBench();
    call(10, false);
    expect(breakers.of('other.example').enter()).toBeGreaterThan(0);
    expect(Object.fromEntries(breakers.states())).toEqual({ 'api.example': 'open', 'other.example': 'closed' });
  });
});
