import type { AuthConfig, FetchJson } from '../auth/index.js';
import { createGuardedFetch, createTlsProfile, EgressPolicy, type GuardedFetch } from '../protocols/index.js';

const loopbackHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Asks identity providers, through the same guard and TLS policy as every outbound request. */
export interface ProviderFetch {
  readonly fetchJson: FetchJson;
  close(): Promise<void>;
}

/**
 * `auth.allow_private_hosts` names providers on private addresses; a provider whose configured URL is a loopback
 * address needs no second naming, since that URL is the operator's own word and leads nowhere else.
 */
export function createProviderFetch(auth: AuthConfig, base_dir: string): ProviderFetch {
  const configured = [...auth.jwt.map(({ jwks_uri }) => jwks_uri), auth.introspection?.endpoint];
  const loopback = configured
    .flatMap((url) => (url === undefined ? [] : [new URL(url).hostname]))
    .filter((host) => loopbackHost.test(host));
  const policy = new EgressPolicy([...auth.allow_private_hosts, ...loopback]);
  const guarded = createGuardedFetch({ policy, tls: createTlsProfile(auth.tls, base_dir) });
  return { fetchJson: (request) => askJson(guarded, request), close: () => guarded.close() };
}

async function askJson(guarded: GuardedFetch, request: Parameters<FetchJson>[0]): Promise<unknown> {
  const { url, method, headers, body, timeout_ms, max_bytes } = request;
  const signal = AbortSignal.timeout(timeout_ms);
  const response = await guarded.fetch(url, { method, headers, signal, ...(body !== undefined && { body }) });
  if (response.status !== 200 || !response.body) {
    await response.body?.cancel();
    throw new Error(`the identity provider answered ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    if (size > max_bytes) throw new Error('the identity provider answered more than is read');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
