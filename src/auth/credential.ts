import type { Principal } from '../core/index.js';

/** What a request presents, taken from it once; never kept beyond the request. */
export interface PresentedCredential {
  /** The token of `Authorization: Bearer`, or the `X-API-Key` header; undefined when neither came. */
  readonly token: string | undefined;
  /**
   * How the token came: an API key may come either way, a JWT by `bearer` alone. `malformed`: something came that is
   * no credential of one clear meaning (two headers, another scheme, a character that a token can't hold).
   */
  readonly transport: 'bearer' | 'x_api_key' | 'none' | 'malformed';
  /** The verified TLS client certificate, when the listener asked for one and the caller sent one. */
  readonly certificate: ClientCertificate | undefined;
  /** The caller's address, after trusted proxies. */
  readonly address: string;
}

export interface ClientCertificate {
  /** SHA-256 of the DER form, base64url without padding (RFC 8705 `x5t#S256`). */
  readonly thumbprint: string;
  /** Subject alternative names as `DNS:…`, `URI:…`, `email:…`. */
  readonly alternative_names: readonly string[];
  /** Epoch milliseconds of the end of its validity; a connection may outlive the certificate that opened it. */
  readonly expires_at: number;
}

/** Why a credential was refused; the `reason` of `auth.failure`. Closed: docs/events.md lists each. */
export const authFailureReasons = [
  'missing_credential',
  'malformed_credential',
  'unknown_key',
  'key_expired',
  'key_not_yet_valid',
  'key_revoked',
  'caller_revoked',
  'caller_blocked',
  'token_malformed',
  'token_too_large',
  'token_algorithm',
  'token_header',
  'token_type',
  'token_signature',
  'token_issuer',
  'token_audience',
  'token_expired',
  'token_not_yet_valid',
  'token_claims',
  'token_revoked',
  'token_inactive',
  'token_key_unknown',
  'token_binding',
  'certificate_unknown',
  'issuer_unavailable',
  'client_unknown',
  'client_secret',
  'scope_not_granted',
  'too_many_failures',
] as const;
export type AuthFailureReason = (typeof authFailureReasons)[number];

/** What one kind of credential says of what was presented. */
export type CredentialVerdict =
  | {
      readonly kind: 'principal';
      readonly principal: Principal;
      /** Epoch milliseconds after which the verdict must not be reused; undefined: as long as the configuration stands. */
      readonly expires_at: number | undefined;
      /** The `jti` of a token that has one; the chain refuses a revoked one. */
      readonly token_id?: string;
      /** RFC 8705 `x5t#S256`: good only beside this client certificate, which each request must prove anew. */
      readonly bound_to?: string;
    }
  /** Not a credential of this kind: the next kind is asked. */
  | { readonly kind: 'not_mine' }
  /** Of this kind and no good: nobody else is asked. `claimed` names the caller it pretended to be, where it said so. */
  | { readonly kind: 'rejected'; readonly reason: AuthFailureReason; readonly claimed?: string };

/** One kind of credential. A newcomer is one file that implements this and one entry in the chain. */
export interface CredentialVerifier {
  readonly kind: string;
  /** Verifying asks somebody else each time: not done for an address whose failure budget is spent. */
  readonly costly?: boolean;
  /** Never throws for a bad credential. A failure to find out (issuer away) is `rejected` with `issuer_unavailable`. */
  verify(presented: PresentedCredential): CredentialVerdict | Promise<CredentialVerdict>;
  close?(): Promise<void>;
}
