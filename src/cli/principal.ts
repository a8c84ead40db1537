import {
  type CallerConfig,
  CallerDirectory,
  makeClientPrincipal,
  makePrincipal,
  SubjectMapper,
  type SubjectRules,
} from '../auth/index.js';
import type { LoadedConfig } from '../config/index.js';
import { type JsonObject, LoadError, type Principal } from '../core/index.js';
import { type CommandInput, stringOf, UsageError } from './command.js';
import { readJsonObject } from './json-object.js';

/** Options that say who is meant by CALLER. */
export const principalOptions = {
  credential: {
    type: 'string',
    value: 'KIND',
    help: 'what the caller presents: api_key, oauth or mtls (default: what it has)',
  },
  claims: { type: 'string', value: 'JSON', help: 'CALLER is the subject of a token with these claims' },
  issuer: {
    type: 'string',
    value: 'ISSUER',
    help: 'with --claims: whose token it is (default: the first of auth.jwt, else auth.introspection)',
  },
} as const;

/**
 * The principal that a caller is with its credential, or that a token with the given claims makes: by the functions that
 * a running server uses. Throws LoadError for a caller, a credential or an issuer that is not configured.
 */
export function principalOf(input: CommandInput, loaded: LoadedConfig, caller: string): Principal {
  const callers = new CallerDirectory(loaded.config.callers, loaded.file);
  const claims = claimsOf(input);
  if (claims) return principalOfToken(loaded, callers, caller, claims, stringOf(input, 'issuer'));
  const found = callers.byId(caller);
  if (found) return principalOfCaller(loaded, callers, found, stringOf(input, 'credential') ?? credentialOf(found));
  const known = loaded.config.callers.map(({ id }) => id).join(', ');
  throw LoadError.of({
    rule: 'caller-unknown',
    file: loaded.file,
    pointer: '/callers',
    message: `There is no caller ${caller}.`,
    mend: known ? `Configured: ${known}. --claims asks for the subject of a token.` : 'No callers are configured.',
  });
}

function credentialOf({ api_keys, oauth_client, certificate }: CallerConfig): string {
  if (api_keys) return 'api_key';
  return oauth_client ? 'oauth' : certificate ? 'mtls' : 'api_key';
}

function principalOfCaller(
  loaded: LoadedConfig,
  callers: CallerDirectory,
  caller: CallerConfig,
  credential: string,
): Principal {
  // A keys file may hold a key of any caller.
  if (credential === 'api_key') return makePrincipal(caller, 'api_key', '');
  if (credential === 'mtls' && caller.certificate) return makePrincipal(caller, 'mtls', '');
  const client = caller.oauth_client && callers.byClientId(caller.oauth_client.client_id);
  if (credential === 'oauth' && client) return makeClientPrincipal(client, client.scopes, '');
  if (!['mtls', 'oauth'].includes(credential)) throw new UsageError('--credential is api_key, oauth or mtls');
  throw LoadError.of({
    rule: 'credential-unknown',
    file: loaded.file,
    pointer: '/callers',
    message: `Caller ${caller.id} has no ${credential === 'mtls' ? 'certificate' : 'oauth_client'}.`,
    mend: 'Configure it, or name another --credential.',
  });
}

function principalOfToken(
  { config, file }: LoadedConfig,
  callers: CallerDirectory,
  subject: string,
  claims: JsonObject,
  issuer: string | undefined,
): Principal {
  const { jwt, introspection } = config.auth;
  const jwtRules = jwt.find((entry) => issuer === undefined || entry.issuer === issuer);
  const opaque = introspection && (issuer === undefined || introspection.issuer === issuer) ? introspection : undefined;
  const rules: SubjectRules | undefined = jwtRules ?? opaque;
  const mend = 'Add the issuer to auth.jwt, or name another --issuer.';
  const pointer = '/auth';
  if (!rules) {
    throw LoadError.of({ rule: 'issuer-unknown', file, pointer, message: 'No such issuer is configured.', mend });
  }
  const mapper = new SubjectMapper(rules, callers, new Set(Object.keys(config.policy.roles)));
  const whole = { ...claims, [rules.subject_claim ?? 'sub']: subject };
  const principal = mapper.map(whole, jwtRules ? 'jwt' : 'introspection', '');
  if (typeof principal !== 'string') return principal;
  throw new UsageError('the subject or the scopes of that token are none: it would be refused (token_claims)');
}

function claimsOf(input: CommandInput): JsonObject | undefined {
  const text = stringOf(input, 'claims');
  if (text === undefined) {
    if (stringOf(input, 'issuer') !== undefined) throw new UsageError('--issuer goes with --claims');
    return undefined;
  }
  return readJsonObject(text, '--claims');
}
