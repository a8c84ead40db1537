import { describe, expect, it } from 'vitest';
import { CallerDirectory } from '../../src/auth/caller.js';
import { callerSchema } from '../../src/auth/config.js';
import { checkRolesMap, readScopes, SubjectMapper, type SubjectRules } from '../../src/auth/subject.js';
import type { JsonObject } from '../../src/core/index.js';

const roles = new Set(['reader', 'admin']);
const callers = new CallerDirectory([
  callerSchema.parse({ id: 'alice', roles: ['admin'], claims: { tenant: 'acme' } }),
  callerSchema.parse({ id: 'narrow', roles: ['admin'], scopes: ['tools:read'] }),
]);
const plain: SubjectRules = { roles_map: {}, subject_prefix: '' };
const map = (claims: JsonObject, rules: Partial<SubjectRules> = {}) =>
  new SubjectMapper({ ...plain, ...rules }, callers, roles).map(claims, 'jwt', 'digest');

describe('the subject of a token', () => {
  it('has the roles of the configured caller that it names, and not those that the token claims', () => {
    expect(map({ sub: 'alice', roles: ['reader'] }, { roles_claim: 'roles' })).toMatchObject({ roles: ['admin'] });
  });

  it('has the roles that its claim names among those of the policy, and no other', () => {
    expect(map({ sub: 'bob', roles: ['reader', 'root', 7] }, { roles_claim: 'roles' })).toMatchObject({
      id: 'bob',
      roles: ['reader'],
    });
    expect(map({ sub: 'bob', roles: 'admin' }, { roles_claim: 'roles' })).toMatchObject({ roles: ['admin'] });
  });

  it('has no roles without a roles claim in the configuration', () => {
    expect(map({ sub: 'bob', roles: ['admin'] })).toMatchObject({ roles: [] });
  });

  it('has the roles that its groups map to', () => {
    const rules = { roles_claim: 'groups', roles_map: { 'cn=ops': ['admin', 'reader'] } };
    expect(map({ sub: 'bob', groups: ['cn=ops', 'cn=none', 'toString'] }, rules)).toMatchObject({
      roles: ['admin', 'reader'],
    });
  });

  it('finds a nested claim by JSON pointer, and one with dots by its name', () => {
    const claims = { sub: 'bob', realm_access: { roles: ['reader'] }, 'https://x.example/roles': ['admin'] };
    expect(map(claims, { roles_claim: '/realm_access/roles' })).toMatchObject({ roles: ['reader'] });
    expect(map(claims, { roles_claim: 'https://x.example/roles' })).toMatchObject({ roles: ['admin'] });
    expect(map(claims, { roles_claim: '/__proto__/roles' })).toMatchObject({ roles: [] });
  });

  it('cannot name a configured caller of another issuer where a prefix keeps them apart', () => {
    expect(map({ sub: 'alice' }, { subject_prefix: 'partner:' })).toMatchObject({ id: 'partner:alice', roles: [] });
  });

  it('cannot overwrite what the operator says of the caller', () => {
    expect(map({ sub: 'alice', tenant: 'evil', dept: 'x' })).toMatchObject({ claims: { tenant: 'acme', dept: 'x' } });
  });

  it('has scopes that only narrow: the caller’s and the token’s, both', () => {
    expect(map({ sub: 'narrow' })).toMatchObject({ scopes: ['tools:read'] });
    expect(map({ sub: 'narrow', scope: 'tools:execute tools:read' })).toMatchObject({ scopes: ['tools:read'] });
    expect(map({ sub: 'narrow', scope: 'tools:execute' })).toMatchObject({ scopes: [] });
    expect(map({ sub: 'alice', scope: 'tools:execute' })).toMatchObject({ scopes: ['tools:execute'] });
    expect(map({ sub: 'alice' })).toMatchObject({ scopes: undefined });
  });

  it.each<[JsonObject, unknown]>([
    [{}, undefined],
    [{ scope: '' }, []],
    [{ scope: 'b  a b' }, ['a', 'b']],
    [{ scp: ['b', 'a'] }, ['a', 'b']],
    [{ scp: 'a' }, ['a']],
    [{ scope: 'a', scp: 'b' }, ['a']],
    [{ scope: null, scp: 'b' }, null],
    [{ scp: ['a', 1] }, null],
    [{ scope: { a: 1 } }, null],
  ])('reads the scopes of %j as %j', (claims, expected) => {
    expect(readScopes(claims)).toEqual(expected);
  });

  it('fails the load when a group maps to a role that the policy lacks', () => {
    const findings = checkRolesMap({ ...plain, roles_map: { 'a/b': ['reader', 'root'] } }, roles, '/auth/jwt/0');
    expect(findings).toMatchObject([{ rule: 'role-unknown', pointer: '/auth/jwt/0/roles_map/a~1b' }]);
  });
});
