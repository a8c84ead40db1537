import { type Finding, LoadError, toPointer } from '../core/index.js';
import type { CallerDirectory } from './caller.js';
import type { AuthConfig, JwtIssuerConfig } from './config.js';
import type { KeySets } from './jwks.js';
import type { TrustedIssuer } from './jwt.js';
import { type KeySource, SharedSecretSource } from './key-source.js';
import { checkRolesMap, SubjectMapper } from './subject.js';

/** The least octets of an HS256 secret (RFC 7518 section 3.2: a key of the size of the hash, or larger). */
const minSecretLength = 32;

export interface IssuerParts {
  readonly callers: CallerDirectory;
  /** Names of the policy's roles. */
  readonly roles: ReadonlySet<string>;
  /** The value of an allowed variable; throws LoadError when it has none. */
  readonly loadVariable: (name: string) => string;
  readonly key_sets: KeySets;
}

/**
 * The issuers of `auth.jwt`, ready to verify. Throws LoadError for an issuer named twice, a secret of fewer than 32
 * octets, a missing variable and a `roles_map` that grants unknown roles.
 */
export function createTrustedIssuers(config: AuthConfig, parts: IssuerParts): readonly TrustedIssuer[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const issuers = config.jwt.map((entry, position) => {
    const pointer = toPointer('auth', 'jwt', position);
    if (seen.has(entry.issuer)) findings.push(describeRepeat(pointer));
    seen.add(entry.issuer);
    findings.push(...checkRolesMap(entry, parts.roles, pointer));
    return createTrustedIssuer(entry, config, parts, pointer);
  });
  if (findings.length > 0) throw new LoadError(findings);
  return issuers;
}

function createTrustedIssuer(
  entry: JwtIssuerConfig,
  config: AuthConfig,
  parts: IssuerParts,
  pointer: string,
): TrustedIssuer {
  const subjects = new SubjectMapper(entry, parts.callers, parts.roles);
  return {
    issuer: entry.issuer,
    audience: typeof entry.audience === 'string' ? [entry.audience] : entry.audience,
    algorithms: entry.algorithms,
    access_tokens_only: entry.token_type === 'at+jwt',
    keys: openKeys(entry, config, parts, pointer),
    map: (claims, digest) => subjects.map(claims, 'jwt', digest),
    claimedCaller: (claims) => subjects.claimedCaller(claims),
  };
}

function openKeys(entry: JwtIssuerConfig, config: AuthConfig, parts: IssuerParts, pointer: string): KeySource {
  if (entry.jwks_uri !== undefined) return parts.key_sets.get(entry.jwks_uri, config.key_sets);
  const secret = parts.loadVariable(entry.secret_variable ?? '');
  if (Buffer.byteLength(secret) >= minSecretLength) return new SharedSecretSource(secret);
  throw LoadError.of({
    rule: 'secret-too-short',
    pointer: `${pointer}/secret_variable`,
    message: `The secret in ${entry.secret_variable} has fewer than ${minSecretLength} octets.`,
    mend: 'Use a random secret of 32 octets or more.',
  });
}

function describeRepeat(pointer: string): Finding {
  return {
    rule: 'issuer-duplicate',
    severity: 'error',
    pointer: `${pointer}/issuer`,
    message: 'Two entries have the same issuer.',
    mend: 'Give each issuer one entry, with all its audiences and algorithms.',
  };
}
