import { describe, expect, it } from 'vitest';
import { ByteBudget, FloodMeter, StreamSlots } from '../../src/protocols/stream-limits.js';

describe('StreamSlots', () => {
  it('refuses a caller its stream over the limit and leaves other callers theirs', () => {
    const slots = new StreamSlots(2);
    slots.take('alice');
    slots.take('alice');
    expect(() => slots.take('alice')).toThrowError(
      expect.objectContaining({ code: 'rate_limited', reason: 'streams_per_caller' }),
    );
    slots.take('bob');
    slots.release('alice');
    slots.take('alice');
  });
});

describe('FloodMeter', () => {
  it('tells of a flood once, when more than the limit comes within a second', () => {
    const meter = new FloodMeter(3);
    expect([0, 1, 2, 3, 4].map((now) => meter.count(now))).toEqual([false, false, false, true, false]);
  });

  it('tells of no flood while every second brings no more than the limit', () => {
    const meter = new FloodMeter(3);
    for (let now = 0; now < 30_000; now += 334) expect(meter.count(now)).toBe(false);
  });
});

describe('ByteBudget', () => {
  it('refuses the byte over its limit', () => {
    const budget = new ByteBudget(10);
    budget.spend(10);
    expect(() => budget.spend(1)).toThrowError(expect.objectContaining({ code: 'upstream_too_large' }));
  });
});
