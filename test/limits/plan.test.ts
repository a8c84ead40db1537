import { describe, expect, it } from 'vitest';
import { toAddressKey } from '../../src/limits/address.js';
import { limitsSchema } from '../../src/limits/config.js';
import { renderRateLimit, toRetryAfter } from '../../src/limits/headers.js';
import { createMemoryLimiter } from '../../src/limits/memory.js';
import { createLimitPlan, findUnknownTools } from '../../src/limits/plan.js';

const config = limitsSchema.parse({
  per_caller: { per_minute: 60, per_hour: 1000 },
  per_tool: { 'books.create': { per_minute: 10 } },
  auth_failures_per_address: { per_minute: 20 },
});

describe('the plan of limits', () => {
  it('holds a call to the caller’s limits and to those of the caller and tool', () => {
    const plan = createLimitPlan(config);
    expect(plan.forCall('alice', 'books.create').limits.map(({ name, limit }) => [name, limit])).toEqual([
      ['per_minute', 60],
      ['per_hour', 1000],
      ['tool_per_minute', 10],
    ]);
    expect(plan.forCall('alice', 'books.list').limits.map(({ name }) => name)).toEqual(['per_minute', 'per_hour']);
  });

  it('counts a tool for each caller apart, and its caller across all tools', () => {
    const plan = createLimitPlan(config);
    const keys = (caller: string) => plan.forCall(caller, 'books.create').limits.map(({ key }) => key);
    expect(new Set([...keys('alice'), ...keys('bob')]).size).toBe(6);
    expect(keys('alice').slice(0, 2)).toEqual(plan.forCall('alice', 'books.list').limits.map(({ key }) => key));
    expect(keys('alice')).not.toContain(plan.forDiscovery('alice').limits[0]?.key);
  });

  it('gives no caller a key of another, whatever their names', () => {
    const plan = createLimitPlan(limitsSchema.parse({ per_tool: { 'a.b': { per_minute: 1 } } }));
    const names = ['x', 'a.b x', 'per_minute x', 'tool a.b per_minute x', 'x ', ''];
    const keys = names.flatMap((name) => plan.forCall(name, 'a.b').limits.map(({ key }) => key));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('hands the same set out again, so that a request costs a lookup', () => {
    const plan = createLimitPlan(config);
    expect(plan.forCall('alice', 'books.create')).toBe(plan.forCall('alice', 'books.create'));
    expect(plan.forDiscovery('alice')).toBe(plan.forDiscovery('alice'));
  });

  it('refuses a limit on a tool that no manual has', () => {
    expect(findUnknownTools(config, ['books.list'])).toMatchObject([
      { rule: 'limit-unknown-tool', severity: 'error', pointer: '/limits/per_tool/books.create' },
    ]);
    expect(findUnknownTools(config, ['books.create'])).toEqual([]);
  });

  it('takes nothing where the configuration sets no limit', () => {
    const plan = createLimitPlan(limitsSchema.parse({ per_caller: {} }));
    expect(plan.forDiscovery('alice')).toEqual({ limits: [], policy: '' });
  });
});

describe('addresses as they are counted', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::198.51.100.1', '64:ff9b:0:0::/64'],
    ['2001:db8:1:2:3:4:192.0.2.1', '2001:db8:1:2::/64'],
    ['not an address', 'unknown'],
    ['', 'unknown'],
  ])('counts %s as %s', (address, key) => {
    expect(toAddressKey(address)).toBe(key);
  });

  it('shares one budget among all addresses of one /64, since they are one subscriber’s (RFC 6177)', () => {
    const plan = createLimitPlan(config);
    expect(plan.forAddress('2001:db8::1').limits).toEqual(plan.forAddress('2001:db8::ffff').limits);
  });

  it('counts failures that claim a caller apart from that caller’s own requests', () => {
    const plan = createLimitPlan(config);
    const keys = [plan.forClaimedCaller('alice'), plan.forDiscovery('alice'), plan.forCall('alice', 'a.b')];
    const all = keys.flatMap(({ limits }) => limits.map(({ key }) => key));
    expect(new Set(all).size).toBe(all.length);
    expect(plan.forClaimedCaller('alice').limits).toMatchObject([{ name: 'auth_failures_per_minute', limit: 60 }]);
  });
});

describe('the headers', () => {
  it('states every policy, then what is left of the nearest (draft-ietf-httpapi-ratelimit-headers)', () => {
    const set = createLimitPlan(config).forCall('alice', 'books.create');
    expect(set.policy).toBe('"per_minute";q=60;w=60, "per_hour";q=1000;w=3600, "tool_per_minute";q=10;w=60');
    const limiter = createMemoryLimiter({ now: () => 0 });
    expect(renderRateLimit(limiter.take(set.limits))).toBe('"tool_per_minute";r=9;t=60');
  });

  it('says a Retry-After that suffices', () => {
    let now = 0;
    const limiter = createMemoryLimiter({ now: () => now });
    const { limits } = createLimitPlan(limitsSchema.parse({ per_caller: { per_minute: 1 } })).forCall('alice', 'a.b');
    limiter.take(limits);
    now = 10_001;
    const refused = limiter.take(limits);
    expect(renderRateLimit(refused)).toBe('"per_minute";r=0;t=50');
    expect(toRetryAfter(refused)).toBe(50);
    now += 50_000;
    expect(limiter.take(limits).allowed).toBe(true);
  });
});
