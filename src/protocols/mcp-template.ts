import { z } from 'zod';
import { type CallTemplate, type JsonObject, toPointer } from '../core/index.js';
import { headerName, upstreamAuthSchema } from './http-template.js';

const text = z.string().min(1);
const optional = z.exactOptional;
const seconds = z.number().positive().max(86_400);

const positive = z.int().positive();
const limitsSchema = z.strictObject({
  cpu_seconds: optional(positive),
  memory_bytes: optional(positive),
  address_space_bytes: optional(positive),
  processes: optional(positive),
  open_files: optional(positive),
  file_bytes: optional(positive),
  tmp_bytes: optional(positive),
});
const userSchema = z.strictObject({ uid: positive, gid: positive });

// One object rather than a union: its errors name the key that is wrong instead of listing every variant.
const serverFields = z.strictObject({
  transport: optional(z.enum(['stdio', 'http', 'streamable_http', 'streamable-http'])),
  command: optional(text),
  args: optional(z.array(z.string())),
  env: optional(z.record(z.string().regex(/^[A-Za-z_]\w*$/), z.string())),
  cwd: optional(text),
  read_only_paths: optional(z.array(text)),
  writable_paths: optional(z.array(text)),
  network: optional(z.enum(['none', 'host'])),
  limits: optional(limitsSchema),
  run_as: optional(userSchema),
  url: optional(text),
  headers: optional(z.record(headerName, z.string())),
  timeout: optional(seconds),
  verify_ssl: optional(z.boolean()),
  // UTCP 1.x carries these two; a response's own timeout bounds the stream, and a session is always ended.
  sse_read_timeout: optional(seconds),
  terminate_on_close: optional(z.boolean()),
});

const processKeys = ['args', 'env', 'cwd', 'read_only_paths', 'writable_paths', 'network', 'limits', 'run_as'] as const;
const remoteKeys = ['headers', 'verify_ssl', 'sse_read_timeout', 'terminate_on_close'] as const;

/**
 * How one MCP server is reached: a `command` that is run here, or the `url` of a streamable HTTP endpoint. `timeout` is
 * in seconds (the guide's MCP section; UTCP 1.x `mcpServers`).
 */
const mcpServerSchema = serverFields.superRefine((server, context) => {
  const runs = server.command !== undefined;
  if (runs === (server.url !== undefined)) {
    context.addIssue({ code: 'custom', message: 'either command or url must be given, and not both' });
    return;
  }
  if (server.transport !== undefined && (server.transport === 'stdio') !== runs) {
    context.addIssue({ code: 'custom', path: ['transport'], message: 'does not fit command or url' });
  }
  for (const key of runs ? remoteKeys : processKeys) {
    if (server[key] === undefined) continue;
    context.addIssue({ code: 'custom', path: [key], message: `does not go with ${runs ? 'command' : 'url'}` });
  }
});
export type McpServerConfig = z.infer<typeof mcpServerSchema>;

const serversSchema = z.strictObject({
  mcpServers: z
    .record(z.string().regex(/^[\w.-]+$/), mcpServerSchema)
    .refine((servers) => Object.keys(servers).length > 0, 'at least one server must be named'),
});

/** The `mcp` key of a manual entry with `source: mcp`: the guide's shape, UTCP 1.x's, or a `url` alone. */
export const mcpSourceSchema = z
  .strictObject({
    server_config: optional(mcpServerSchema),
    config: optional(serversSchema),
    url: optional(text),
    headers: optional(z.record(headerName, z.string())),
  })
  .superRefine((source, context) => {
    const given = [source.server_config, source.config, source.url].filter((way) => way !== undefined);
    if (given.length !== 1) {
      context.addIssue({ code: 'custom', message: 'exactly one of server_config, config and url must be given' });
    }
    if (source.headers !== undefined && source.url === undefined) {
      context.addIssue({ code: 'custom', path: ['headers'], message: 'goes with url alone' });
    }
  });
export type McpSource = z.infer<typeof mcpSourceSchema>;

/** What a server is called where a template or a source gives it no name. */
export const defaultServerName = 'default';

/** One server of a template or a source. */
export interface NamedServer {
  /** The name under which its definitions are pinned. */
  readonly name: string;
  readonly config: McpServerConfig;
  /** Where it stands in the template or source (RFC 6901). */
  readonly pointer: string;
}

/** The servers that a source names. */
export function listSourceServers(source: McpSource): readonly NamedServer[] {
  if (source.config) return Object.entries(source.config.mcpServers).map(nameServer);
  if (source.server_config)
    return [{ name: defaultServerName, config: source.server_config, pointer: '/server_config' }];
  if (source.url === undefined) return [];
  const headers = source.headers && { headers: source.headers };
  return [{ name: defaultServerName, config: { url: source.url, ...headers }, pointer: '' }];
}

function nameServer([name, config]: readonly [string, McpServerConfig]): NamedServer {
  return { name, config, pointer: toPointer('config', 'mcpServers', name) };
}

// UTCP 1.x fields that say nothing about a call here.
const inertFields = {
  name: z.string().nullish(),
  auth_tools: z.json().optional(),
  allowed_communication_protocols: z.array(z.string()).nullish(),
  register_resources_as_tools: z.literal(false, 'resources are not made into tools here').optional(),
};

/** The authored template: the guide's `server_config`, or UTCP 1.x's `config.mcpServers`. */
export const mcpTemplateSchema = z
  .strictObject({
    ...inertFields,
    call_template_type: z.literal('mcp'),
    /** The tool's name on the MCP server; the UTCP tool's own name when absent. */
    tool_name: optional(text),
    server_config: optional(mcpServerSchema),
    config: optional(serversSchema),
    /** Which of several `mcpServers` has the tool. */
    server_name: optional(text),
    /** SHA-256 of the tool's definition, in hexadecimal: another definition is quarantined. */
    definition_digest: optional(z.string().regex(/^[0-9a-f]{64}$/)),
    timeout: optional(seconds),
    /** How calls prove themselves to a `url` server; the manual's `upstream_auth` when absent. */
    auth: upstreamAuthSchema.nullish(),
  })
  .superRefine((template, context) => {
    if ((template.server_config === undefined) === (template.config === undefined)) {
      context.addIssue({ code: 'custom', message: 'either server_config or config must be given, and not both' });
      return;
    }
    const servers: Readonly<Record<string, McpServerConfig | undefined>> = template.config?.mcpServers ?? {
      [defaultServerName]: template.server_config,
    };
    const names = Object.keys(servers);
    const name = template.server_name ?? (names.length === 1 ? names[0] : undefined);
    if (name === undefined || !names.includes(name)) {
      context.addIssue({ code: 'custom', path: ['server_name'], message: `must be one of ${names.join(', ')}` });
    } else if (template.auth && servers[name]?.url === undefined) {
      context.addIssue({ code: 'custom', path: ['auth'], message: 'goes with a url: a command has env' });
    }
  });
export type McpTemplate = z.infer<typeof mcpTemplateSchema>;

/** The server that a template names. */
export function selectServer(template: McpTemplate): NamedServer {
  const named = Object.entries(template.config?.mcpServers ?? {}).map(nameServer);
  const chosen = named.find(({ name }) => name === template.server_name) ?? named[0];
  return chosen ?? { name: defaultServerName, config: template.server_config ?? {}, pointer: '/server_config' };
}

/** The template of one listed tool, in the shape in which its server was configured. */
export function toListedTemplate(toolName: string, server: NamedServer, digest: string): CallTemplate {
  const common = { call_template_type: 'mcp', tool_name: toolName, definition_digest: digest };
  const authored: JsonObject = server.config;
  return server.name === defaultServerName
    ? { ...common, server_config: authored }
    : { ...common, config: { mcpServers: { [server.name]: authored } } };
}
