import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { CallScope, GatehouseError, type Json, type JsonObject, type PreparedCall } from '../../src/core/index.js';
import { createMcpProtocol } from '../../src/protocols/mcp.js';
import { mcpSettingsSchema } from '../../src/protocols/mcp-config.js';
import { mcpTemplateSchema } from '../../src/protocols/mcp-template.js';
import type { UpstreamReport } from '../../src/protocols/protocol.js';
import { type BindingOptions, makeBinding } from './binding.js';

const support = realpathSync(import.meta.dirname);
/** Where the packages are. */
export const modulesFolder = realpathSync(join(import.meta.dirname, '../../node_modules'));

/** A server configuration, as it is written in a template. */
export type ServerConfig = JsonObject;

/** The server of test/support that misbehaves on request. */
export function hostileServer(flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): ServerConfig {
  const script = join(support, 'hostile-mcp-server.js');
  return { command: process.execPath, args: [script, ...flags], env, read_only_paths: [support] };
}

/** The reference server that exercises the whole protocol. */
export function everythingServer(): ServerConfig {
  return packageServer('server-everything', ['stdio']);
}

/** The reference server for files, with one folder that it may write to. */
export function filesystemServer(folder: string): ServerConfig {
  return { ...packageServer('server-filesystem', [folder]), writable_paths: [folder] };
}

function packageServer(name: string, args: readonly string[]): ServerConfig {
  const script = join(modulesFolder, '@modelcontextprotocol', name, 'dist/index.js');
  return { command: process.execPath, args: [script, ...args], read_only_paths: [modulesFolder] };
}

/** Where a package's server stands, for those that are started by the test. */
export function everythingScript(): string {
  return join(modulesFolder, '@modelcontextprotocol/server-everything/dist/index.js');
}

/** A protocol under test, with what it reported. */
export interface McpHarness {
  readonly protocol: ReturnType<typeof createMcpProtocol>;
  readonly reports: UpstreamReport[];
  prepare(tool: string, server: ServerConfig, options?: McpBindingOptions): PreparedCall;
}

export interface McpBindingOptions extends BindingOptions {
  readonly manual?: string;
  readonly template?: JsonObject;
}

const open = new Set<McpHarness['protocol']>();

/** Makes a protocol; `closeAll` ends it. */
export function createHarness(settings: Readonly<Record<string, unknown>> = {}): McpHarness {
  const reports: UpstreamReport[] = [];
  const protocol = createMcpProtocol({
    report: (report) => reports.push(report),
    mcp: mcpSettingsSchema.parse(settings),
  });
  open.add(protocol);
  return {
    protocol,
    reports,
    prepare(tool, server, options = {}) {
      const template = { call_template_type: 'mcp', tool_name: tool, server_config: server, ...options.template };
      const name = tool.replace(/\W/g, '_');
      const binding = {
        ...makeBinding({ timeout_ms: 10_000, ...options }),
        tool: `${options.manual ?? 'test'}.${name}`,
      };
      return protocol.prepare(mcpTemplateSchema.parse(template), binding);
    },
  };
}

/** Ends every protocol that a test made. */
export async function closeAll(): Promise<void> {
  await Promise.all([...open].map((protocol) => protocol.close()));
  open.clear();
}

/** A scope as the pipeline makes one. */
export function makeScope(timeoutMs = 10_000, caller = 'alice'): CallScope {
  return new CallScope('request-1', timeoutMs, caller);
}

/** Calls and parses the answer. */
export async function callJson(call: PreparedCall, args: Readonly<Record<string, Json>> = {}): Promise<unknown> {
  const { body } = await call.call(args, makeScope());
  return JSON.parse(body.toString());
}

/** The GatehouseError that an action ends with; fails when it ends well or otherwise. */
export async function catchError(action: () => Promise<unknown>): Promise<GatehouseError> {
  const outcome = await action().catch((error: unknown) => error);
  if (outcome instanceof GatehouseError) return outcome;
  throw new Error('A GatehouseError was expected.', { cause: outcome });
}
