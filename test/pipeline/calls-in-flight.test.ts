import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallScope } from '../../src/core/index.js';
import { CallsInFlight } from '../../src/pipeline/index.js';

const makeScopes = () => Array.from({ length: 8 }, (_, index) => new CallScope(String(index), 1000, 'alice'));

describe('the list of calls in flight', () => {
  it('holds what a Set would, whatever comes and goes', () => {
    const step = fc.record({ scope: fc.nat(7), adds: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const scopes = makeScopes();
        const model = new Set<CallScope>();
        const list = new CallsInFlight();
        for (const { scope: index, adds } of steps) {
          const scope = scopes[index];
          if (!scope) throw new Error('no such scope');
          if (!adds) {
            list.delete(scope);
            model.delete(scope);
          } else if (!model.has(scope)) {
            list.add(scope);
            model.add(scope);
          }
          expect(new Set(list)).toEqual(model);
          expect(list.size).toBe(model.size);
        }
      }),
    );
  });

  it('reaches every call, though each leaves the list when it is cancelled', () => {
    const list = new CallsInFlight();
    const scopes = makeScopes();
    for (const scope of scopes) {
      list.add(scope);
      scope.onCancel(() => list.delete(scope));
    }
    for (const scope of list) scope.cancel('draining');
    expect(scopes.map(({ cancelled }) => cancelled)).toEqual(scopes.map(() => 'draining'));
    expect(list.size).toBe(0);
  });
});

describe('a scope', () => {
  it('tells each listener once, and none that has been taken away', () => {
    const scope = new CallScope('1', 1000, 'alice');
    const told: string[] = [];
    scope.onCancel((reason) => told.push(`first ${reason}`));
    const forget = scope.onCancel(() => told.push('second'));
    scope.onCancel((reason) => told.push(`third ${reason}`));
    forget();
    forget();
    scope.cancel('timeout');
    scope.cancel('draining');
    expect(told).toEqual(['first timeout', 'third timeout']);
  });
});
