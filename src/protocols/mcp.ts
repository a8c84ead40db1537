import type { PreparedCall } from '../core/index.js';
import { PreparedMcpCall } from './mcp-call.js';
import { type McpSettings, mcpSettingsSchema } from './mcp-config.js';
import type { McpTool } from './mcp-definition.js';
import { type McpLaunch, planLaunch } from './mcp-launch.js';
import { McpPins } from './mcp-pins.js';
import { McpServer, type ServerObserver } from './mcp-server.js';
import { defaultServerName, type McpTemplate, mcpTemplateSchema, selectServer } from './mcp-template.js';
import type { Protocol, ProtocolDependencies, ToolBinding, UpstreamHealth, UpstreamReport } from './protocol.js';

/**
 * Tools of MCP servers, run here in the sandbox or reached by streamable HTTP. Throws LoadError when the lock file of
 * approved definitions can't be used.
 */
export function createMcpProtocol(deps: ProtocolDependencies): Required<Protocol<McpTemplate>> {
  return new McpProtocol(deps);
}

interface Shared {
  readonly server: McpServer;
  readonly label: string;
  readonly calls: Set<PreparedMcpCall>;
}

class McpProtocol implements Protocol<McpTemplate>, ServerObserver {
  readonly type = 'mcp';
  readonly schema = mcpTemplateSchema;
  readonly #deps: ProtocolDependencies;
  readonly #settings: McpSettings;
  readonly #pins: McpPins;
  readonly #servers = new Map<string, Shared>();
  readonly #leaving = new Set<McpServer>();
  #started = false;

  constructor(deps: ProtocolDependencies) {
    this.#deps = deps;
    this.#settings = deps.mcp ?? mcpSettingsSchema.parse({});
    this.#pins = new McpPins(this.#settings.lock_file);
  }

  prepare(template: McpTemplate, binding: ToolBinding): PreparedCall {
    this.#pins.refresh();
    const { name, config, pointer } = selectServer(template);
    const launch = planLaunch(config, {
      ...binding,
      pointer: binding.pointer + pointer,
      ...(template.auth && { auth: { authored: template.auth, pointer: binding.pointer } }),
    });
    const [manual = '', tool = ''] = splitOnce(binding.tool);
    const shared = this.#share(launch, name === defaultServerName ? manual : name);
    const seconds = template.timeout ?? config.timeout;
    const prepared = new PreparedMcpCall({
      server: shared.server,
      upstream: shared.label,
      id: binding.tool,
      tool: template.tool_name ?? tool,
      claim: { manual, server: name, expected: template.definition_digest },
      timeout_ms: seconds === undefined ? binding.timeout_ms : Math.min(binding.timeout_ms, seconds * 1_000),
      max_streams_per_caller: binding.settings.max_streams_per_caller,
      result: { expose_tool_errors: this.#settings.expose_tool_errors, max_bytes: binding.settings.max_response_bytes },
      pins: this.#pins,
      report: (report) => this.report(report),
    });
    shared.calls.add(prepared);
    return prepared;
  }

  /** Starts every server. One that can't be started does not keep the others from starting: health and reports tell. */
  async start(): Promise<void> {
    this.#started = true;
    await Promise.all([...this.#servers.values()].map(({ server }) => server.start()));
  }

  retain(inUse: ReadonlySet<object>): void {
    for (const [key, { server, calls }] of this.#servers) {
      for (const call of calls) if (!inUse.has(call)) calls.delete(call);
      if (calls.size === 0) {
        this.#servers.delete(key);
        this.#leaving.add(server);
        void server.retire().then(() => this.#leaving.delete(server));
      } else if (this.#started) void server.start();
    }
  }

  health(): readonly UpstreamHealth[] {
    return [...this.#servers.values()].map(({ server, calls }) => server.health(findFlaw(calls)));
  }

  async close(): Promise<void> {
    const running = [...this.#servers.values()].map(({ server }) => server);
    await Promise.all([...running, ...this.#leaving].map((server) => server.close()));
    this.#servers.clear();
  }

  report(report: UpstreamReport): void {
    this.#deps.report(report);
  }

  onTools(server: McpServer, tools: ReadonlyMap<string, McpTool>): void {
    for (const shared of this.#servers.values()) {
      if (shared.server !== server) continue;
      for (const call of shared.calls) call.inspect(tools.get(call.tool));
    }
  }

  #share(launch: McpLaunch, name: string): Shared {
    const known = this.#servers.get(launch.key);
    if (known) return known;
    const label = launch.kind === 'http' ? launch.name : name;
    const connect = launch.prepare();
    const server = new McpServer({ label, kind: launch.kind, connect }, this.#settings, this);
    const shared = { server, label, calls: new Set<PreparedMcpCall>() };
    this.#servers.set(launch.key, shared);
    return shared;
  }
}

function splitOnce(id: string): readonly string[] {
  const dot = id.indexOf('.');
  return [id.slice(0, dot), id.slice(dot + 1)];
}

function findFlaw(calls: Iterable<PreparedMcpCall>): string | undefined {
  for (const call of calls) if (call.flaw) return call.flaw;
  return undefined;
}
