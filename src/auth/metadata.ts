import { callScope, discoverScope } from '../core/index.js';

/** What the metadata documents are made of. */
export interface MetadataParts {
  /** The server's own URL, without a trailing slash. */
  readonly public_url: string;
  /** Whether `POST /oauth/token` has any client. */
  readonly issues_tokens: boolean;
  /** Other authorization servers whose tokens are taken. */
  readonly issuers: readonly string[];
  /** Whether the listener asks for client certificates (RFC 8705). */
  readonly client_certificates: boolean;
}

const scopes = [discoverScope, callScope];

/**
 * `/.well-known/oauth-protected-resource` (RFC 9728 section 2); with `/utcp` behind it, of the discovery URL, which has to
 * name itself as the resource (section 3.3).
 */
export function describeResource(parts: MetadataParts, path: '' | '/utcp' = '') {
  const { public_url, issues_tokens, issuers } = parts;
  // RFC 9728: issuer identifiers are URLs; an issuer of another form cannot be found by one.
  const servers = [...(issues_tokens ? [public_url] : []), ...issuers.filter((issuer) => /^https?:\/\//.test(issuer))];
  return {
    resource: `${public_url}${path}`,
    ...(servers.length === 0 ? {} : { authorization_servers: servers }),
    bearer_methods_supported: ['header'],
    scopes_supported: scopes,
    resource_name: 'UTCP tools',
    ...(parts.client_certificates ? { tls_client_certificate_bound_access_tokens: true } : {}),
  };
}

/** `/.well-known/oauth-authorization-server` (RFC 8414 section 2). */
export function describeAuthorizationServer({ public_url }: Pick<MetadataParts, 'public_url'>) {
  return {
    issuer: public_url,
    token_endpoint: `${public_url}/oauth/token`,
    jwks_uri: `${public_url}/.well-known/jwks.json`,
    scopes_supported: scopes,
    // Required by RFC 8414, and empty: there is no authorization endpoint.
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  };
}

/**
 * The `WWW-Authenticate` value of a refusal (RFC 6750 section 3, RFC 9728 section 5.1). Without `error` when no
 * credential came at all; `insufficient_scope` names the `scope` that would do.
 */
export function renderChallenge(
  publicUrl: string,
  error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope',
  scope?: string,
): string {
  const parts = [`resource_metadata=${quote(`${publicUrl}/.well-known/oauth-protected-resource`)}`];
  if (error !== undefined) parts.push(`error=${quote(error)}`);
  if (scope !== undefined) parts.push(`scope=${quote(scope)}`);
  return `Bearer realm="utcp", ${parts.join(', ')}`;
}

// RFC 9110 section 5.6.4; what no quoted string can hold is left out.
function quote(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`;
}
