import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Policy, policySchema } from '../../src/access/index.js';
import { type Finding, LoadError } from '../../src/core/index.js';
import { createPrincipal, createTool, defaultSettings } from '../support/tool.js';

const context = { now_ms: Date.UTC(2026, 0, 1), address: '127.0.0.1' };
const tools = [
  createTool('books', 'list_books', 0, { tags: ['read'] }),
  createTool('books', 'create_book', 1, { tags: ['write'] }),
  createTool('books', 'get_book', 2, { settings: { ...defaultSettings, required_scopes: ['books:read'] } }),
  createTool('admin', 'drop_all', 3),
  createTool('admin', 'trap', 4, { settings: { ...defaultSettings, honeypot: true } }),
];

function compile(roles: Record<string, unknown>, notices: Finding[] = []): Policy {
  return Policy.compile(policySchema.parse({ roles }), tools, notices);
}

function verdict(
  policy: Policy,
  tool: number,
  over: Parameters<typeof createPrincipal>[0],
  args?: Record<string, number>,
) {
  return policy.decide(createPrincipal(over), tools[tool], { ...context, ...(args && { args }) });
}

describe('Policy', () => {
  const reader = { discover: ['books.*'], call: ['books.list_*'] };

  it('denies by default: no role, an unknown role or a role that does not name the tool shows nothing', () => {
    const policy = compile({ reader });
    expect(verdict(policy, 0, { roles: [] }).verdict).toBe('hidden');
    expect(verdict(policy, 0, { roles: ['stranger'] }).verdict).toBe('hidden');
    expect(verdict(policy, 3, { roles: ['reader'] }).verdict).toBe('hidden');
    expect(policy.decide(createPrincipal({ roles: ['reader'] }), undefined, context).verdict).toBe('hidden');
  });

  it('lets a role see what it discovers and call what it calls', () => {
    const policy = compile({ reader });
    expect(verdict(policy, 0, { roles: ['reader'] }).verdict).toBe('callable');
    expect(verdict(policy, 1, { roles: ['reader'] })).toEqual({ verdict: 'visible', reason: 'no_grant' });
  });

  it('matches tags', () => {
    const policy = compile({ tagged: { discover: ['tag:read'], call: ['tag:re*'] } });
    expect(verdict(policy, 0, { roles: ['tagged'] }).verdict).toBe('callable');
    expect(verdict(policy, 1, { roles: ['tagged'] }).verdict).toBe('hidden');
  });

  it('lets a deny of any role beat every grant', () => {
    const policy = compile({ all: { discover: ['*'], call: ['*'] }, no_admin: { deny: ['admin.*'] } });
    expect(verdict(policy, 3, { roles: ['all', 'no_admin'] })).toEqual({ verdict: 'hidden', reason: 'denied_by_role' });
    expect(verdict(policy, 0, { roles: ['all', 'no_admin'] }).verdict).toBe('callable');
  });

  it('lets scopes narrow and never widen', () => {
    const policy = compile({ reader, all: { discover: ['*'], call: ['*'] } });
    expect(verdict(policy, 0, { roles: ['reader'], scopes: [] }).verdict).toBe('hidden');
    expect(verdict(policy, 0, { roles: ['reader'], scopes: ['tools:read'] })).toEqual({
      verdict: 'visible',
      reason: 'insufficient_scope',
      required_scope: 'tools:execute',
      needed_scopes: ['tools:read', 'tools:execute'],
    });
    expect(verdict(policy, 3, { roles: ['reader'], scopes: ['tools:execute', 'tools:read'] }).verdict).toBe('hidden');
    expect(verdict(policy, 2, { roles: ['all'], scopes: ['tools:execute', 'tools:read'] }).required_scope).toBe(
      'books:read',
    );
    expect(verdict(policy, 2, { roles: ['all'], scopes: ['books:read', 'tools:execute', 'tools:read'] }).verdict).toBe(
      'callable',
    );
  });

  it('hides a honeypot from everyone', () => {
    expect(verdict(compile({ all: { discover: ['*'], call: ['*'] } }), 4, { roles: ['all'] })).toEqual({
      verdict: 'hidden',
      reason: 'honeypot',
    });
  });

  it('hides by a condition over the caller, and an evaluation error denies', () => {
    const policy = compile({ acme: { discover: ['*'], call: ['*'], when: 'caller.claims.tenant == "acme"' } });
    expect(verdict(policy, 0, { roles: ['acme'], claims: { tenant: 'acme' } }).verdict).toBe('callable');
    expect(verdict(policy, 0, { roles: ['acme'], claims: { tenant: 'other' } }).verdict).toBe('hidden');
    expect(verdict(policy, 0, { roles: ['acme'], claims: {} }).verdict).toBe('hidden');
  });

  it('reads time and address anew on every request, also for a principal it has seen', () => {
    const policy = compile({
      local: {
        discover: ['*'],
        call: ['*'],
        when: 'in_network(address, "127.0.0.0/8") && now < timestamp("2026-06-01T00:00:00Z")',
      },
    });
    const principal = createPrincipal({ roles: ['local'] });
    expect(policy.decide(principal, tools[0], context).verdict).toBe('callable');
    expect(policy.decide(principal, tools[0], { ...context, address: '192.0.2.1' }).verdict).toBe('hidden');
    expect(policy.decide(principal, tools[0], { ...context, now_ms: Date.UTC(2027, 0, 1) }).verdict).toBe('hidden');
  });

  it('does not hide a tool by a condition over its arguments, and decides it with them', () => {
    const policy = compile({ payer: { discover: ['*'], call: ['*'], when: 'args.amount <= 100' } });
    expect(verdict(policy, 0, { roles: ['payer'] })).toEqual({ verdict: 'callable', reason: 'granted_on_condition' });
    expect(verdict(policy, 0, { roles: ['payer'] }, { amount: 100 }).verdict).toBe('callable');
    expect(verdict(policy, 0, { roles: ['payer'] }, { amount: 101 })).toEqual({
      verdict: 'visible',
      reason: 'condition_failed',
    });
    expect(verdict(policy, 0, { roles: ['payer'] }, {}).verdict).toBe('visible');
  });

  it.each([
    ['a call that is not discoverable', { r: { discover: ['books.*'], call: ['*'] } }, 'call-without-discover'],
    ['a condition that does not parse', { r: { discover: ['*'], when: 'a ==' } }, 'condition-invalid'],
    [
      'a condition over an unknown name',
      { r: { discover: ['*'], when: 'caller.shoe_size == 3' } },
      'condition-invalid',
    ],
    ['a condition that gives no bool', { r: { discover: ['*'], when: '1 + 1' } }, 'condition-invalid'],
    ['a deny that a condition could switch off', { r: { deny: ['*'], when: 'true' } }, 'conditional-deny'],
  ])('refuses to load %s', (_name, roles, rule) => {
    try {
      compile(roles);
    } catch (error) {
      expect(error instanceof LoadError && error.findings.map((finding) => finding.rule)).toEqual([rule]);
      return;
    }
    expect.unreachable('the policy loaded');
  });

  it('warns of a pattern that matches no tool', () => {
    const notices: Finding[] = [];
    compile({ r: { discover: ['boks.*'] } }, notices);
    expect(notices.map((notice) => notice.pointer)).toEqual(['/policy/roles/r/discover/0']);
  });

  it('interns permissions: callers with equal rights share one set', () => {
    const policy = compile({ reader });
    const one = policy.permissionSet(createPrincipal({ id: 'a', roles: ['reader'] }), context);
    const other = policy.permissionSet(createPrincipal({ id: 'b', roles: ['reader', 'unknown'] }), context);
    expect(other).toBe(one);
  });

  it('never widens: adding a scope list or a deny to a caller never shows or opens more (property)', () => {
    const rank = { hidden: 0, visible: 1, callable: 2 };
    const patterns = fc.subarray(['books.*', 'books.list_*', 'tag:read', 'tag:write', 'admin.*', '*']);
    const roles = fc.record({ grant: patterns, deny: patterns });
    fc.assert(
      fc.property(roles, fc.subarray(['tools:read', 'tools:execute', 'books:read']), ({ grant, deny }, scopes) => {
        const policy = compile({ grant: { discover: grant, call: grant }, deny: { deny } });
        for (const tool of tools) {
          const plain = policy.decide(createPrincipal({ roles: ['grant'] }), tool, context).verdict;
          const scoped = policy.decide(createPrincipal({ roles: ['grant'], scopes }), tool, context).verdict;
          const denied = policy.decide(createPrincipal({ roles: ['grant', 'deny'] }), tool, context).verdict;
          expect(rank[scoped]).toBeLessThanOrEqual(rank[plain]);
          expect(rank[denied]).toBeLessThanOrEqual(rank[plain]);
        }
      }),
    );
  });
});
