import { bindUpstream, type GuardedUpstream } from './egress.js';
import { createGuardedFetch } from './egress-connection.js';
import { compileAuth, type UpstreamCredentials } from './http-auth.js';
import { refuseConnectionHeader } from './http-reserved.js';
import { BearerTokens } from './mcp-bearer.js';
import { openHttpConnection } from './mcp-http.js';
import type { McpBinding, McpLaunch } from './mcp-launch.js';
import type { McpConnection } from './mcp-session.js';
import type { McpServerConfig } from './mcp-template.js';
import { digest, fill } from './mcp-variables.js';
import type { ToolBinding } from './protocol.js';

interface Remote {
  readonly upstream: GuardedUpstream;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly grant: UpstreamCredentials['grant'];
  readonly maxBytes: number;
}

/** Says how a streamable HTTP server is reached, variables and credentials in place. Throws LoadError. */
export function planRemote(server: McpServerConfig, authored: string, binding: McpBinding): McpLaunch {
  const tool: ToolBinding = { ...binding, tool: '', inputs: {} };
  const place = { kind: 'http', verify_ssl: server.verify_ssl ?? true, pointer: `${binding.pointer}/url` } as const;
  const upstream = bindUpstream(fill(authored, 'url_path', binding, '/url'), place, tool);
  const { auth } = binding;
  const credentials = compileAuth(auth?.authored, auth ? { ...tool, pointer: auth.pointer } : tool);
  const url = new URL(upstream.url);
  if (credentials.query) url.searchParams.append(...credentials.query);
  const headers = { ...compileHeaders(server, binding), ...credentialHeaders(credentials) };
  const { grant } = credentials;
  const maxBytes = binding.settings.max_response_bytes;
  const remote = { upstream, url, headers, grant, maxBytes };
  const identity = grant && [grant.upstream.url.href, grant.client_id, grant.client_secret, grant.scope];
  return {
    kind: 'http',
    name: url.host,
    key: digest('http', url.href, headers, upstream.policy.key, upstream.tls.key, maxBytes, identity),
    secrets: Object.values(headers),
    prepare: () => () => openRemote(remote),
  };
}

function compileHeaders(server: McpServerConfig, binding: McpBinding): Readonly<Record<string, string>> {
  const authored = Object.entries(server.headers ?? {});
  return Object.fromEntries(
    authored.map(([name, value]) => {
      const pointer = `/headers/${name}`;
      refuseConnectionHeader(name, { file: binding.file, pointer: binding.pointer + pointer });
      return [name, fill(value, 'header', binding, pointer)];
    }),
  );
}

function credentialHeaders({ header, cookie }: UpstreamCredentials): Readonly<Record<string, string>> {
  return { ...(header && { [header[0]]: header[1] }), ...(cookie !== undefined && { Cookie: cookie }) };
}

function openRemote({ upstream, url, headers, grant, maxBytes }: Remote): McpConnection {
  const guarded = createGuardedFetch(upstream);
  const tokens = grant && new BearerTokens(grant);
  const connection = openHttpConnection({ url, headers, maxBytes, guarded, tokens });
  return {
    transport: connection.transport,
    kill: () => connection.kill(),
    close: async () => {
      await connection.close();
      await tokens?.close();
    },
    diagnosis: () => '',
  };
}
