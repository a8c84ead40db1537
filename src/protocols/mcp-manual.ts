import { type AuthoredManual, type AuthoredTool, type Finding, LoadError, toPointer } from '../core/index.js';
import type { McpSettings } from './mcp-config.js';
import type { McpTool } from './mcp-definition.js';
import { inspectServer } from './mcp-inspect.js';
import type { McpBinding } from './mcp-launch.js';
import { toAuthoredTools } from './mcp-listing.js';
import { type ApprovedTool, McpPins, type PinScope } from './mcp-pins.js';
import { compareTools, type McpChange } from './mcp-review.js';
import { listSourceServers, type McpSource, mcpSourceSchema } from './mcp-template.js';

/** With what a manual's servers are asked for their tools. */
export interface McpManualOptions extends McpBinding {
  /** The manual's name. */
  readonly manual: string;
  /** The configuration's `mcp` section, its lock file absolute. */
  readonly mcp: McpSettings;
}

/**
 * The tools of a manual entry with `source: mcp` as a UTCP manual. `source` is the entry's `mcp` key, to which
 * `options.pointer` points. Connects, lists and disconnects. A server that the lock file knows is published as it was
 * approved: a changed tool in its approved form, a new one not at all, each with a notice. Throws LoadError.
 */
export async function listMcpManual(source: unknown, options: McpManualOptions): Promise<AuthoredManual> {
  const pins = new McpPins(options.mcp.lock_file);
  const servers = listSourceServers(parseMcpSource(source, options));
  const tools: AuthoredTool[] = [];
  for (const server of servers) {
    const binding = { ...options, pointer: options.pointer + server.pointer };
    const listed = await inspectServer(server.config, binding, options.mcp);
    const approved = selectApproved(pins, { manual: options.manual, server: server.name }, listed, binding);
    tools.push(...toAuthoredTools(server, servers.length > 1 ? `${server.name}_` : '', approved));
  }
  return { utcp_version: '1.1.0', manual_version: '1.0.0', tools };
}

/** Reads the `mcp` key of a manual entry. Throws LoadError. */
export function parseMcpSource(source: unknown, binding: Pick<McpBinding, 'file' | 'pointer'>): McpSource {
  const parsed = mcpSourceSchema.safeParse(source);
  if (parsed.success) return parsed.data;
  throw new LoadError(
    parsed.error.issues.map((issue) => ({
      rule: 'mcp-source-invalid',
      severity: 'error',
      file: binding.file,
      pointer: binding.pointer + toPointer(...issue.path.map(String)),
      message: `${issue.message}.`,
      mend: 'See docs/protocols/mcp.md.',
    })),
  );
}

function selectApproved(
  pins: McpPins,
  scope: PinScope,
  listed: readonly McpTool[],
  binding: McpBinding,
): readonly ApprovedTool[] {
  if (!pins.knows(scope)) return listed;
  const changes = compareTools(pins, scope, listed);
  for (const change of changes) binding.notice(toNotice(change, scope, binding));
  const gone = new Set(changes.filter(({ kind }) => kind === 'gone').map(({ tool }) => tool));
  return pins.list(scope).filter(({ definition }) => !gone.has(definition.name));
}

const notices = {
  changed: ['mcp-tool-quarantined', 'has changed since it was approved: its calls are refused'],
  new: ['mcp-tool-new', 'is new and not approved: it is not published'],
  gone: ['mcp-tool-gone', 'was approved and is gone from the server: it is not published'],
} as const satisfies Record<McpChange['kind'], readonly [string, string]>;

function toNotice(change: McpChange, scope: PinScope, binding: McpBinding): Finding {
  const [rule, message] = notices[change.kind];
  return {
    rule,
    severity: 'warning',
    file: binding.file,
    pointer: binding.pointer,
    message: `${JSON.stringify(change.tool)} of ${scope.manual} ${message}.`,
    mend: `Run gatehouse approve ${scope.manual}: it shows the change and how to approve it.`,
  };
}
