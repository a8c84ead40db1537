import { type Finding, LoadError } from '../core/index.js';
import { ApiKeyVerifier } from './api-key.js';
import { CallerDirectory } from './caller.js';
import { CertificateVerifier } from './certificate.js';
import { type Authenticator, createAuthenticator } from './chain.js';
import type { AuthConfig, CallerConfig } from './config.js';
import type { CredentialVerifier } from './credential.js';
import type { FetchJson } from './fetch-json.js';
import { IntrospectionVerifier } from './introspection.js';
import { TokenIssuer } from './issuer.js';
import { KeySets } from './jwks.js';
import { JwtVerifier } from './jwt.js';
import type { JwtVerify } from './jwt-verify.js';
import { type KeyFileProblem, KeyRing } from './key-ring.js';
import { listKeys, listRevocations } from './keys-file.js';
import { KeysWatch } from './keys-watch.js';
import { RevocationList, type SharedRevocations } from './revocations.js';
import { checkRolesMap, SubjectMapper } from './subject.js';
import { createTrustedIssuers } from './trusted-issuers.js';

/** What identity tells the server, which makes events of it. */
export interface IdentityReports {
  /** The built-in issuer made a new signing key. */
  readonly on_new_key?: (kid: string) => void;
  readonly on_key_file_problem?: (problem: KeyFileProblem) => void;
  /** The keys file has changed and is in force. */
  readonly on_keys_changed?: () => void;
  /** The keys file can't be used; what it said last stays in force. */
  readonly on_keys_problem?: (problem: LoadError) => void;
}

/** What outlives a reload: the issuers' key sets, our own signing keys, and what is revoked. */
export class IdentityState {
  readonly key_sets: KeySets;
  readonly revocations: RevocationList;
  readonly reports: IdentityReports;
  readonly fetch_json: FetchJson;
  readonly #rings = new Map<string, KeyRing>();

  /** `shared` carries revocations between replicas. */
  constructor(fetchJson: FetchJson, reports: IdentityReports = {}, shared?: SharedRevocations) {
    this.fetch_json = fetchJson;
    this.key_sets = new KeySets(fetchJson);
    this.revocations = new RevocationList(shared);
    this.reports = reports;
  }

  /** The signing keys for this configuration; a changed one begins with new keys. Throws LoadError for its file. */
  openKeyRing({ issuer, token_lifetime_s, clock_tolerance_s }: AuthConfig): KeyRing {
    const lifetime_ms = (token_lifetime_s + clock_tolerance_s) * 1000;
    const name = JSON.stringify([issuer, lifetime_ms]);
    const { on_new_key, on_key_file_problem } = this.reports;
    const ring =
      this.#rings.get(name) ??
      new KeyRing({
        algorithm: issuer.algorithm,
        rotation_ms: issuer.rotation_s * 1000,
        lifetime_ms,
        ...(issuer.key_file === undefined ? {} : { key_file: issuer.key_file }),
        ...(on_new_key ? { on_new_key } : {}),
        ...(on_key_file_problem ? { on_problem: on_key_file_problem } : {}),
      });
    this.#rings.set(name, ring);
    return ring;
  }
}

export interface IdentityOptions {
  readonly auth: AuthConfig;
  readonly callers: readonly CallerConfig[];
  /** The configuration, as findings name it. */
  readonly file?: string | undefined;
  /** Names of the policy's roles. */
  readonly roles: ReadonlySet<string>;
  /** The value of an allowed variable; throws LoadError when it has none. */
  readonly load_variable: (name: string) => string;
  /** The server's own URL without a trailing slash; asked for when a token comes or goes. */
  readonly public_url: () => string;
  readonly jwt_verify: JwtVerify;
  readonly state: IdentityState;
  /** Whether an address has spent its budget of failed authentications. */
  readonly is_throttled?: (address: string) => boolean | Promise<boolean>;
}

/** Everything about who calls, for one configuration. */
export interface Identity {
  readonly authenticator: Authenticator;
  readonly callers: CallerDirectory;
  readonly issuer: TokenIssuer;
  /**
   * Puts this identity in force: from now on its keys file decides what is revoked, and is watched. Until then nothing
   * that is shared has changed, so that a configuration can be refused after its identity was built.
   */
  activate(): void;
  /** Ends the watch of the keys file; the state lives on. */
  close(): Promise<void>;
}

/**
 * Wires every kind of credential that a configuration has. Throws LoadError for callers that share a credential, a keys
 * file or key file that can't be used, a missing or short secret, and maps to unknown roles.
 */
export function createIdentity(options: IdentityOptions): Identity {
  const { auth, state, public_url } = options;
  const callers = new CallerDirectory(options.callers, options.file);
  const { revocations } = state;
  const issuer = new TokenIssuer({
    callers,
    keys: state.openKeyRing(auth),
    public_url,
    token_lifetime_s: auth.token_lifetime_s,
    revocations,
  });
  const authenticator = createAuthenticator({
    verifiers: createVerifiers(options, callers, issuer),
    revocations,
    ...(options.is_throttled ? { is_throttled: options.is_throttled } : {}),
  });
  const unsubscribe = revocations.onChange(() => authenticator.invalidate());
  const watch = auth.keys_file === undefined ? undefined : watchKeys(auth.keys_file, callers, state);
  if (watch) callers.replaceFileKeys(listKeys(watch.content));
  return {
    authenticator,
    callers,
    issuer,
    activate() {
      revocations.replaceFiled(watch ? listRevocations(watch.content) : []);
      watch?.start();
    },
    async close() {
      watch?.close();
      unsubscribe();
      await authenticator.close();
    },
  };
}

// API keys first: most callers have one, and asking costs a lookup.
function createVerifiers(
  options: IdentityOptions,
  callers: CallerDirectory,
  issuer: TokenIssuer,
): readonly CredentialVerifier[] {
  const { auth, roles, load_variable, state, jwt_verify } = options;
  const clock_tolerance_ms = auth.clock_tolerance_s * 1000;
  const configured = createTrustedIssuers(auth, {
    callers,
    roles,
    loadVariable: load_variable,
    key_sets: state.key_sets,
  });
  return [
    new ApiKeyVerifier(callers),
    new JwtVerifier({ issuers: [issuer.trust(), ...configured], verify: jwt_verify, clock_tolerance_ms }),
    ...(auth.introspection ? [createIntrospection(options, callers, auth.introspection)] : []),
    new CertificateVerifier(callers),
  ];
}

function createIntrospection(
  { auth, roles, load_variable, state }: IdentityOptions,
  callers: CallerDirectory,
  config: NonNullable<AuthConfig['introspection']>,
): IntrospectionVerifier {
  const findings: readonly Finding[] = checkRolesMap(config, roles, '/auth/introspection');
  if (findings.length > 0) throw new LoadError(findings);
  return new IntrospectionVerifier({
    config,
    client_secret: load_variable(config.secret_variable),
    subjects: new SubjectMapper(config, callers, roles),
    fetch_json: state.fetch_json,
    clock_tolerance_ms: auth.clock_tolerance_s * 1000,
  });
}

function watchKeys(file: string, callers: CallerDirectory, { revocations, reports }: IdentityState): KeysWatch {
  return new KeysWatch({
    file,
    on_change(content) {
      callers.replaceFileKeys(listKeys(content));
      // Every remembered verification goes with it: the authenticator listens to the list.
      revocations.replaceFiled(listRevocations(content));
      reports.on_keys_changed?.();
    },
    on_problem: (problem) => reports.on_keys_problem?.(problem),
  });
}
