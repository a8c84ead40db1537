import { describe, expect, it } from 'vitest';
import { CallScope } from '../../src/core/index.js';
import { StreamLifetime } from '../../src/protocols/stream-lifetime.js';
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

describe('StreamLifetime', () => {
  const scope = () => new CallScope('request-1', 1000, 'alice');
  const ended = (lifetime: StreamLifetime) =>
    new Promise<unknown>((resolve) => {
      lifetime.signal.addEventListener('abort', () => resolve(lifetime.signal.reason), { once: true });
    });

  it('ends a stream whose upstream falls silent', async () => {
    const lifetime = new StreamLifetime(scope(), 1000, 20);
    expect(await ended(lifetime)).toMatchObject({ code: 'upstream_timeout', reason: 'idle_timeout' });
    lifetime.end();
  });

  it('does not take a slow consumer for a silent upstream', async () => {
    const lifetime = new StreamLifetime(scope(), 100, 20);
    lifetime.awaitConsumer();
    expect(await ended(lifetime)).toMatchObject({ code: 'upstream_timeout', reason: 'total_timeout' });
    lifetime.end();
  });

  it.each([
    ['client_aborted', 'client_aborted'],
    ['timeout', 'upstream_timeout'],
    ['draining', 'draining'],
  ] as const)('ends a stream that is cancelled by %s', (reason, code) => {
    const cancelled = scope();
    const lifetime = new StreamLifetime(cancelled, 1000, 1000);
    cancelled.cancel(reason);
    expect(() => lifetime.throwIfEnded()).toThrowError(expect.objectContaining({ code }));
    lifetime.end();
  });

  it('ends at once where the call was cancelled before it began', () => {
    const cancelled = scope();
    cancelled.cancel('client_aborted');
    const lifetime = new StreamLifetime(cancelled, 1000, 1000);
    expect(lifetime.signal.aborted).toBe(true);
    lifetime.end();
  });
});
