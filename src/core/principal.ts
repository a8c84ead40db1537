import type { JsonObject } from './json.js';

/** Which kind of credential vouched for the principal. */
export type PrincipalSource = 'api_key' | 'jwt' | 'oauth' | 'introspection' | 'mtls';

/**
 * Who calls, once, in one shape, whatever the credential was. Never holds the raw credential. Immutable: a
 * verified-principal cache hands the same object to many requests.
 */
export interface Principal {
  /** The caller's id: the configured caller's, or the token's subject. */
  readonly id: string;
  readonly source: PrincipalSource;
  /** Names of roles of the policy, sorted, without repeats. */
  readonly roles: readonly string[];
  /** The scopes of a token, sorted; undefined for a credential that has no notion of scopes, which narrows nothing. */
  readonly scopes: readonly string[] | undefined;
  /** A token's claims, or what the config says of the caller; conditions read them. */
  readonly claims: JsonObject;
  /** SHA-256 of the credential, base64url; names it in caches and in the anomaly detector without revealing it. */
  readonly credential_digest: string;
  /** The `jti` of its token, so that what runs for it can be ended when the token is taken back. */
  readonly token_id?: string;
}
