import { type Finding, isJsonObject, type Json, type JsonObject, type Principal, toPointer } from '../core/index.js';
import { type CallerDirectory, makePrincipal, type OAuthClient, sortNames } from './caller.js';
import type { AuthFailureReason } from './credential.js';

/** How one issuer's claims become a principal; see the configuration's `roles_claim` and the rest. */
export interface SubjectRules {
  readonly roles_claim?: string | undefined;
  readonly roles_map: Readonly<Record<string, readonly string[]>>;
  readonly subject_prefix: string;
  /** The claim that holds the subject; `sub` when absent. */
  readonly subject_claim?: string;
}

// Ids stand in logs and in limit keys: bounded, and without control characters.
const soundId = /^[^\p{Cc}\p{Cs}\u2028\u2029]{1,255}$/u;

/**
 * Turns the verified claims of a token into a principal. The roles are those of the configured caller whose id the
 * (prefixed) subject is, else those that the roles claim names among the policy's roles; what it names beside is ignored.
 */
export class SubjectMapper {
  readonly #rules: SubjectRules;
  readonly #callers: CallerDirectory;
  readonly #roles: ReadonlySet<string>;

  constructor(rules: SubjectRules, callers: CallerDirectory, roles: ReadonlySet<string>) {
    this.#rules = rules;
    this.#callers = callers;
    this.#roles = roles;
  }

  /** The principal, or `token_claims` when the subject or the scopes are none. */
  map(claims: JsonObject, source: Principal['source'], digest: string): Principal | AuthFailureReason {
    const id = this.nameOf(claims);
    const scopes = readScopes(claims);
    if (id === undefined || scopes === null) return 'token_claims';
    const caller = this.#callers.byId(id);
    return Object.freeze({
      id,
      source,
      roles: sortNames(caller ? caller.roles : this.#readRoles(claims)),
      scopes: narrowScopes(scopes, caller?.scopes),
      // What the operator says of a caller is not for the token to change.
      claims: caller ? { ...claims, ...caller.claims } : claims,
      credential_digest: digest,
    });
  }

  /** The principal's id; undefined when the claims have no usable subject. */
  nameOf(claims: JsonObject): string | undefined {
    const sub = claims[this.#rules.subject_claim ?? 'sub'];
    return typeof sub === 'string' && soundId.test(sub) ? this.#rules.subject_prefix + sub : undefined;
  }

  /** The configured caller that unverified claims pretend to be; undefined when they name none. */
  claimedCaller(claims: JsonObject): string | undefined {
    const id = this.nameOf(claims);
    return id === undefined ? undefined : this.#callers.byId(id)?.id;
  }

  #readRoles(claims: JsonObject): readonly string[] {
    const { roles_claim, roles_map } = this.#rules;
    if (roles_claim === undefined) return [];
    return readNames(resolveClaim(claims, roles_claim)).flatMap((name) => [
      ...(this.#roles.has(name) ? [name] : []),
      ...(Object.hasOwn(roles_map, name) ? (roles_map[name] ?? []) : []),
    ]);
  }
}

/** The principal of a client of our own token endpoint, with a token of these scopes. */
export function makeClientPrincipal(client: OAuthClient, scopes: readonly string[], digest: string): Principal {
  const principal = makePrincipal(client.caller, 'oauth', digest);
  const granted = narrowScopes(sortNames(scopes), client.scopes);
  return { ...principal, scopes: narrowScopes(granted, principal.scopes) };
}

/** The findings of a `roles_map` that grants roles which the policy does not have. */
export function checkRolesMap(rules: SubjectRules, roles: ReadonlySet<string>, pointer: string): readonly Finding[] {
  return Object.entries(rules.roles_map).flatMap(([value, names]) =>
    names
      .filter((name) => !roles.has(name))
      .map((name) => ({
        rule: 'role-unknown',
        severity: 'error',
        pointer: `${pointer}${toPointer('roles_map', value)}`,
        message: `The policy has no role ${JSON.stringify(name)}.`,
        mend: 'Name a role of policy.roles.',
      })),
  );
}

/**
 * The scopes of a token, from `scope` (RFC 8693 section 4.2) or `scp`: sorted; undefined when it has neither claim, which
 * narrows nothing; null when the claim is of no shape that scopes have.
 */
export function readScopes(claims: JsonObject): readonly string[] | undefined | null {
  const claim = Object.hasOwn(claims, 'scope') ? claims.scope : claims.scp;
  if (claim === undefined) return undefined;
  if (typeof claim === 'string') return sortNames(claim.split(' ').filter((scope) => scope !== ''));
  if (!Array.isArray(claim)) return null;
  const scopes = readNames(claim);
  return scopes.length === claim.length ? sortNames(scopes) : null;
}

/** Both narrow: what only one of them grants is not granted. */
function narrowScopes(
  scopes: readonly string[] | undefined,
  bound: readonly string[] | undefined,
): readonly string[] | undefined {
  if (scopes === undefined || bound === undefined) return scopes ?? (bound && sortNames(bound));
  return scopes.filter((scope) => bound.includes(scope));
}

function resolveClaim(claims: JsonObject, name: string): Json | undefined {
  const path = name.startsWith('/') ? name.slice(1).split('/').map(unescapePointer) : [name];
  let value: Json | undefined = claims;
  for (const member of path) {
    value = isJsonObject(value) && Object.hasOwn(value, member) ? value[member] : undefined;
  }
  return value;
}

function unescapePointer(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}

function readNames(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [];
}
