import { performance } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { compileCondition } from '../../src/access/index.js';
import { type Arguments, LoadError } from '../../src/core/index.js';
import { createPrincipal } from '../support/tool.js';

const context = { now_ms: Date.UTC(2026, 0, 5, 9), address: '10.1.2.3' };
const principal = createPrincipal({
  roles: ['reader'],
  scopes: ['tools:read'],
  claims: { tenant: 'acme', groups: ['a', 'b'], level: 3 },
});
const compile = (source: string) => compileCondition(source, '/when');
const holds = (source: string, args?: Arguments) => compile(source).holds(principal, { ...context, args });

function refusalOf(source: string): string {
  try {
    compile(source);
  } catch (error) {
    if (error instanceof LoadError) return error.findings.map(({ message }) => message).join();
    throw error;
  }
  return 'it loads';
}

describe('a condition', () => {
  it.each([
    ['caller.id == "alice" && caller.source == "api_key"', true],
    ['"reader" in caller.roles && "tools:read" in caller.scopes', true],
    ['claims.tenant == "acme" && caller.claims.level >= 3', true],
    ['now.getHours() == 9 && now < timestamp("2026-02-01T00:00:00Z")', true],
    ['in_network(address, "10.0.0.0/8") && !in_network(address, "10.9.0.0/16")', true],
    ['claims.groups.exists(g, g.matches("^[ab]$"))', true],
    ['has(claims.absent)', false],
  ])('reads caller, claims, time and address: %s', (source, expected) => {
    expect(holds(source)).toBe(expected);
  });

  it.each<[string, Arguments]>([
    ['args.amount <= 100', { amount: '50' }],
    ['args.amount <= 100', { amount: [50] }],
    ['args.amount <= 100', { amount: null }],
    ['args.amount <= 100', {}],
    ['!(args.amount > 100)', {}],
    ['args.constructor != null', {}],
    ['args.__proto__ != null', {}],
    ['in_network(args.from, "10.0.0.0/8")', { from: 'not an address' }],
    ['claims.absent == "x" || args.n / 0 == 1', { n: 1 }],
  ])('denies where it cannot be evaluated: %s with %j', (source, args) => {
    expect(holds(source, args)).toBe(false);
  });

  it.each([
    ['args.a.matches(args.b)', 'the pattern of matches has to be written out'],
    ['args.a.matches("(")', 'missing closing'],
    ['args.a.matches("(?=x)")', 'The condition cannot be used'],
    ['args.a // matches\n.matches("x")', 'a comment stands'],
    ['args.toString() != ""', 'no matching overload'],
    ['args.a.matches("a{1001}")', 'invalid repeat'],
    ['args.a.all(x, args.a.all(y, args.a.all(z, x == y)))', 'more than 2 deep'],
    ['args.a.all(x, args.a.all(y, y in args.b))', 'more than 2 deep'],
    ['args.a.all(x, args.b.matches("a+"))', 'more than 2 deep'],
    ['caller.shoe_size == 3', 'shoe_size'],
    ['caller.id + 1 == 2', 'no such overload'],
    ['size(claims)', 'gives int, not bool'],
  ])('is refused at the load when it cannot be bounded or typed: %s', (source, message) => {
    expect(refusalOf(source)).toContain(message);
  });

  it('matches patterns as RE2 does, wherever they stand', () => {
    expect(holds('args.a.matches("b+") && !(args.a.matches("^b"))', { a: 'abbc' })).toBe(true);
    expect(holds('(args.a.matches("x") ? "y" : "n").matches("^n$")', { a: 'a' })).toBe(true);
    expect(holds(String.raw`args.a.matches(r"\d{3}")`, { a: 'ab123' })).toBe(true);
  });

  it('cannot be made to hang by what a caller sends', () => {
    const many = Array.from({ length: 200_000 }, (_, index) => `item ${index}`);
    const text = 'a'.repeat(500_000);
    const attacks: readonly [string, Arguments][] = [
      ['args.a.matches("(a+)+$")', { a: `${'a'.repeat(50_000)}b` }],
      ['args.a.matches("^(a|a)*$")', { a: `${text}b` }],
      ['args.a.all(x, args.a.all(y, x != y || x == y))', { a: many }],
      ['args.a.all(x, !(x in args.b))', { a: many, b: many.map((item) => `${item}!`) }],
      ['args.a.all(x, !args.b.contains(x))', { a: many, b: text }],
      ['args.a.split("").all(x, args.a.split("").all(y, x == y))', { a: 'a'.repeat(16_000) }],
    ];
    for (const [source, args] of attacks) {
      const condition = compile(source);
      const start = performance.now();
      condition.holds(principal, { ...context, args });
      // Unbounded, the cheapest of these takes half a minute.
      expect(performance.now() - start, source).toBeLessThan(5000);
    }
  });

  it('still goes over a whole batch where each item stands for itself, and over a small one against another', () => {
    const rows = Array.from({ length: 20_000 }, (_, index) => ({ id: `eu-${index}`, tenant: 'acme' }));
    expect(holds('args.rows.all(r, r.id.startsWith("eu-") && r.tenant == claims.tenant)', { rows })).toBe(true);
    expect(holds('args.ids.all(i, i in claims.groups)', { ids: ['a', 'b', 'a'] })).toBe(true);
    expect(holds('args.ids.all(i, i in ["a", "b"])', { ids: Array(20_000).fill('a') })).toBe(true);
  });
});
