import type { JsonObject } from '../core/index.js';
import type { UpstreamSettings } from '../protocols/protocol.js';
import { type ClientOptions, type Credential, defaults } from './options.js';
import type { Provider } from './provider.js';

/** What the options say of every connection that the client makes. */
export function createSettings(options: ClientOptions, provider: Provider): UpstreamSettings {
  const { ca_file, cert_file, key_file, allow_private_hosts = [], sandbox = 'required' } = options;
  return {
    allow_private_hosts: [...provider.trustedHosts, ...allow_private_hosts],
    allow_unverified_tls_hosts: [],
    tls: {
      ...(ca_file !== undefined && { ca_file }),
      ...(cert_file !== undefined && { cert_file }),
      ...(key_file !== undefined && { key_file }),
    },
    sandbox,
    max_response_bytes: options.max_response_bytes ?? defaults.max_response_bytes,
    // The client retries by itself, with Retry-After in view; twice over would multiply.
    max_retries: 0,
    max_streams_per_caller: 100,
  };
}

/**
 * The client's own credential as a template's `auth`, so that the protocol code sends it like any other. A `$` in it is
 * doubled, since it is no placeholder.
 */
export function describeCredential(credential: Credential | undefined, provider: Provider): JsonObject | undefined {
  if (!credential) return undefined;
  const literal = (text: string) => text.replaceAll('$', '$$$$');
  if ('api_key' in credential) {
    return { auth_type: 'api_key', api_key: literal(credential.api_key), var_name: 'X-API-Key', location: 'header' };
  }
  if ('bearer' in credential) {
    const value = `Bearer ${literal(credential.bearer)}`;
    return { auth_type: 'api_key', api_key: value, var_name: 'Authorization', location: 'header' };
  }
  const { client_id, client_secret, token_url = provider.tokenUrl.href, scope } = credential.oauth2;
  return {
    auth_type: 'oauth2',
    token_url: literal(token_url),
    client_id: literal(client_id),
    client_secret: literal(client_secret),
    ...(scope !== undefined && { scope: literal(scope) }),
  };
}
