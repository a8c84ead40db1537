import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConcurrencyCaps } from '../../src/limits/concurrency.js';

const small = { per_caller: 2, per_caller_and_upstream: 2, per_tool: 3, per_upstream: 4 };

describe('caps on calls in flight', () => {
  it('say which of caller, tool and upstream is busy, and enter nothing then', () => {
    const caps = new ConcurrencyCaps(small);
    const enter = (caller: string, tool: string) => caps.enter(caller, tool, 'api.example');
    expect([enter('a', 'x'), enter('a', 'x'), enter('a', 'y')]).toEqual([undefined, undefined, 'caller_busy']);
    expect([enter('b', 'x'), enter('b', 'x')]).toEqual([undefined, 'tool_busy']);
    expect([enter('b', 'y'), enter('c', 'y')]).toEqual([undefined, 'upstream_busy']);
    caps.leave('a', 'x', 'api.example');
    expect(enter('c', 'y')).toBeUndefined();
  });

  it('leave a caller room for other upstreams while one takes all that it may', () => {
    const caps = new ConcurrencyCaps({ ...small, per_caller: 3 });
    const enter = (upstream: string) => caps.enter('a', upstream, upstream);
    expect([enter('hung'), enter('hung'), enter('hung')]).toEqual([undefined, undefined, 'caller_upstream_busy']);
    expect([enter('well'), enter('well')]).toEqual([undefined, 'caller_busy']);
  });

  it('follow a configuration, with what is in flight', () => {
    const caps = new ConcurrencyCaps(small);
    const enter = () => caps.enter('a', 'x', 'api.example');
    expect([enter(), enter(), enter()]).toEqual([undefined, undefined, 'caller_busy']);
    caps.follow({ ...small, per_caller: 3, per_caller_and_upstream: 3 });
    expect([enter(), enter()]).toEqual([undefined, 'caller_busy']);
  });

  it('never exceed a cap and hold nothing once all calls have left, whatever the order', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name, name, fc.boolean()), { maxLength: 200 }), (steps) => {
        const caps = new ConcurrencyCaps(small);
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
