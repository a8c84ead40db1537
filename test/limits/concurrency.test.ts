import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConcurrencyCaps } from '../../src/limits/concurrency.js';

describe('caps on calls in flight', () => {
  it('say which of caller, tool and upstream is busy, and enter nothing then', () => {
    const caps = new ConcurrencyCaps({ per_caller: 2, per_tool: 3, per_upstream: 4 });
    const enter = (caller: string, tool: string) => caps.enter(caller, tool, 'api.example');
    expect([enter('a', 'x'), enter('a', 'x'), enter('a', 'y')]).toEqual([undefined, undefined, 'caller_busy']);
    expect([enter('b', 'x'), enter('b', 'x')]).toEqual([undefined, 'tool_busy']);
    expect([enter('b', 'y'), enter('c', 'y')]).toEqual([undefined, 'upstream_busy']);
    caps.leave('a', 'x', 'api.example');
    expect(enter('c', 'y')).toBeUndefined();
  });

  it('never exceed a cap and hold nothing once all calls have left, whatever the order', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name, name, fc.boolean()), { maxLength: 200 }), (steps) => {
        const caps = new ConcurrencyCaps({ per_caller: 2, per_tool: 3, per_upstream: 4 });
        const inside: (readonly [string, string, string])[] = [];
        for (const [caller, tool, upstream, leave] of steps) {
          const first = leave ? inside.shift() : undefined;
          if (first) caps.leave(...first);
          else if (caps.enter(caller, tool, upstream) === undefined) inside.push([caller, tool, upstream]);
          for (const [position, cap] of [2, 3, 4].entries()) {
            const busiest = ['a', 'b', 'c'].map((key) => inside.filter((call) => call[position] === key).length);
            expect(Math.max(...busiest)).toBeLessThanOrEqual(cap);
          }
        }
        for (const call of inside) caps.leave(...call);
        expect(caps.size).toBe(0);
      }),
    );
  });
});
