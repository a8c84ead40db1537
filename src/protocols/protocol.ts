import type { z } from 'zod';
import type { CallTemplate, Finding, JsonObject, JsonSchema, LocalTool, PreparedCall } from '../core/index.js';
import type { VariableSource } from '../variables/index.js';
import type { McpSettings } from './mcp-config.js';

/** The call template types that may stand upstream of a tool. */
export const callTemplateTypes = ['http', 'sse', 'streamable_http', 'websocket', 'cli', 'text', 'file', 'mcp'] as const;
export type CallTemplateType = (typeof callTemplateTypes)[number];

/** What a template is bound with when its tool is loaded. */
export interface ToolBinding {
  /** `manual.tool`, for messages and reports. */
  readonly tool: string;
  readonly inputs: JsonSchema;
  readonly variables: VariableSource;
  /** Folder of the manual's source; relative paths of templates resolve against it. */
  readonly base_dir: string;
  /** Where the template stands, for findings: the source as the user named it, and the JSON pointer of the template. */
  readonly file: string;
  readonly pointer: string;
  /** Whole milliseconds; a template's own `timeout` may only shorten it. */
  readonly timeout_ms: number;
  readonly settings: UpstreamSettings;
  /** Takes a warning that `check` shows (for example `verify_ssl: false`); an error is thrown as a LoadError instead. */
  notice(finding: Finding): void;
}

/** What the configuration says of a manual's upstreams. */
export interface UpstreamSettings {
  /** Hosts (names or addresses, no ports) that may be private, loopback or link-local. */
  readonly allow_private_hosts: readonly string[];
  /** Hosts for which a template's `verify_ssl: false` is honoured. */
  readonly allow_unverified_tls_hosts: readonly string[];
  readonly tls: OutboundTlsSettings;
  /** Credentials for the upstream, in the UTCP auth shape; a template's own `auth` wins. */
  readonly upstream_auth?: JsonObject | undefined;
  readonly sandbox: 'required' | 'none';
  /** Whole bytes that an upstream's answer may have. */
  readonly max_response_bytes: number;
  /** How often an idempotent call is tried again after a connection failure, 502, 503 or 504. */
  readonly max_retries: number;
  /** Open streams that one caller may hold on one tool. */
  readonly max_streams_per_caller: number;
}

export interface OutboundTlsSettings {
  readonly ca_file?: string | undefined;
  readonly cert_file?: string | undefined;
  readonly key_file?: string | undefined;
}

/** What a protocol tells the event stream about an upstream; never with arguments, credentials or full URLs. */
export interface UpstreamReport {
  readonly kind: 'failed' | 'recovered' | 'flooding' | 'quarantined' | 'restarted';
  /** A short stable name of the upstream: `host:port`, the command's base name, the MCP server's manual. */
  readonly upstream: string;
  readonly tool?: string;
  /** A reason code, for example `connect_refused`, `exit`, `max_events`. */
  readonly reason: string;
}

/** The state of one upstream for `/readyz?verbose` and the metrics. */
export interface UpstreamHealth {
  readonly upstream: string;
  readonly state: 'up' | 'down' | 'starting' | 'degraded';
  readonly reason?: string;
}

export interface ProtocolDependencies {
  report(report: UpstreamReport): void;
  /** The configuration's `mcp` section, its lock file absolute; the defaults when absent. */
  readonly mcp?: McpSettings;
  /** Tools of the program that the server runs in. */
  readonly tools?: readonly LocalTool[];
  /** Takes a line for the operator about a fault of such a tool. */
  report_fault?(line: string): void;
}

/**
 * One communication protocol: the schema of its call template, and how a template becomes something to call. One
 * instance serves all manuals of a server; it outlives a configuration reload. `Template` is what `schema` gives.
 */
export interface Protocol<Template = CallTemplate> {
  readonly type: CallTemplateType | 'local';
  /** Strict schema of the authored template, the guide's fields included. Errors are turned into findings by the registry. */
  readonly schema: z.ZodType<Template>;
  /**
   * Binds a template that `schema` has parsed. Variables are substituted, files and commands checked, patterns
   * compiled: here, once. Throws LoadError.
   */
  prepare(template: Template, binding: ToolBinding): PreparedCall;
  /** Starts what must run before the first call (MCP servers). Rejects with LoadError when a start must not go on. */
  start?(): Promise<void>;
  /** After a reload: ends what is none of these anchors (pools, processes), once its calls are done. */
  retain?(inUse: ReadonlySet<object>): void;
  health?(): readonly UpstreamHealth[];
  /** Ends every connection, process and timer. Calls in flight fail with `upstream_failed`. */
  close(): Promise<void>;
}
