import type { UpstreamAuth } from './http-template.js';
import { planProcess } from './mcp-process.js';
import { planRemote } from './mcp-remote.js';
import type { McpConnection } from './mcp-session.js';
import type { McpServerConfig } from './mcp-template.js';
import type { ToolBinding } from './protocol.js';

/** What a server is bound with: a tool's binding without the tool, its pointer that of the server's configuration. */
export interface McpBinding extends Omit<ToolBinding, 'tool' | 'inputs'> {
  /** The template's own `auth`, and where the template stands. */
  readonly auth?: { readonly authored: UpstreamAuth; readonly pointer: string };
}

/** How to connect to one server. */
export interface McpLaunch {
  readonly kind: 'stdio' | 'http';
  /** A short name for reports: the host and port, or the program. */
  readonly name: string;
  /** Equal for equal servers; a digest, since variables are in it. */
  readonly key: string;
  /** Values that must not be shown: of the environment, the headers, and arguments with a variable in them. */
  readonly secrets: readonly string[];
  /**
   * Checks what a connection needs and gives what makes one. Throws LoadError. Apart from the rest because it looks at
   * the host: once for all tools of a server.
   */
  prepare(): () => McpConnection;
}

/** Puts the variables into a server's configuration and says how to connect to it. Throws LoadError. */
export function planLaunch(server: McpServerConfig, binding: McpBinding): McpLaunch {
  return server.url === undefined ? planProcess(server, binding) : planRemote(server, server.url, binding);
}
