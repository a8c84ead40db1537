import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BusyReason, ConcurrencyCaps, type Seat } from '../../src/limits/concurrency.js';

const small = { per_caller: 2, per_caller_and_upstream: 2, per_tool: 3, per_upstream: 4 };

/** Whether a call is in, or which cap keeps it out. */
function tell(entered: Seat | BusyReason, seats: Seat[] = []): 'in' | BusyReason {
  if (typeof entered === 'string') return entered;
  seats.push(entered);
  return 'in';
}

describe('caps on calls in flight', () => {
  it('say which of caller, tool and upstream is busy, and enter nothing then', () => {
    const caps = new ConcurrencyCaps(small);
    const seats: Seat[] = [];
    const enter = (caller: string, tool: string) => tell(caps.enter(caller, tool, 'api.example'), seats);
    expect([enter('a', 'x'), enter('a', 'x'), enter('a', 'y')]).toEqual(['in', 'in', 'caller_busy']);
    expect([enter('b', 'x'), enter('b', 'x')]).toEqual(['in', 'tool_busy']);
    expect([enter('b', 'y'), enter('c', 'y')]).toEqual(['in', 'upstream_busy']);
    seats[0]?.leave();
    expect(enter('c', 'y')).toBe('in');
  });

  it('leave a caller room for other upstreams while one takes all that it may', () => {
    const caps = new ConcurrencyCaps({ ...small, per_caller: 3 });
    const enter = (upstream: string) => tell(caps.enter('a', upstream, upstream));
    expect([enter('hung'), enter('hung'), enter('hung')]).toEqual(['in', 'in', 'caller_upstream_busy']);
    expect([enter('well'), enter('well')]).toEqual(['in', 'caller_busy']);
  });

  it('follow a configuration, with what is in flight', () => {
    const caps = new ConcurrencyCaps(small);
    const enter = () => tell(caps.enter('a', 'x', 'api.example'));
    expect([enter(), enter(), enter()]).toEqual(['in', 'in', 'caller_busy']);
    caps.follow({ ...small, per_caller: 3, per_caller_and_upstream: 3 });
    expect([enter(), enter()]).toEqual(['in', 'caller_busy']);
  });

  it('never exceed a cap and hold nothing once all calls have left, whatever the order', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name, name, fc.boolean()), { maxLength: 200 }), (steps) => {
        const caps = new ConcurrencyCaps(small);
        const inside: (readonly [string, string, string, Seat])[] = [];
        for (const [caller, tool, upstream, leave] of steps) {
          const first = leave ? inside.shift() : undefined;
          if (first) first[3].leave();
          else {
            const seat = caps.enter(caller, tool, upstream);
            if (typeof seat !== 'string') inside.push([caller, tool, upstream, seat]);
          }
          for (const [position, cap] of [2, 3, 4].entries()) {
            const busiest = ['a', 'b', 'c'].map((key) => inside.filter((call) => call[position] === key).length);
            expect(Math.max(...busiest)).toBeLessThanOrEqual(cap);
          }
        }
        for (const [, , , seat] of inside) seat.leave();
        expect(caps.size).toBe(0);
      }),
    );
  });

  it('count on for whoever has a call in flight, however many others come and go', () => {
    const caps = new ConcurrencyCaps(small);
    const enter = (upstream: string) => tell(caps.enter('a', upstream, upstream));
    expect(enter('first')).toBe('in');
    for (let other = 0; other < 40_000; other++) {
      const seat = caps.enter(`other ${other}`, 'x', 'second');
      if (typeof seat === 'string') throw new Error(seat);
      seat.leave();
    }
    expect([enter('second'), enter('first')]).toEqual(['in', 'caller_busy']);
    expect(caps.size).toBe(7);
  });
});
