import { isJsonObject, type Tool } from '../core/index.js';
import { count, type Draft, type Failure, failEach } from './checklist-item.js';
import { findPlainUpstreams, findUnverified } from './checklist-provider.js';
import type { LoadedConfig } from './load.js';

/** The guide's Protocol-Specific checklist, for the protocols that the configured tools use. */
export function answerProtocols(loaded: LoadedConfig): readonly Draft[] {
  const { config } = loaded;
  const { allowed_origins } = config.server.websocket;
  const origins = allowed_origins.length > 0 ? `browsers of ${allowed_origins.join(', ')}` : 'no browser';
  const plain = new Set(findPlainUpstreams(loaded));
  const insecure = (tools: readonly Tool[]) => [
    ...failEach(
      tools.filter((tool) => plain.has(tool)),
      'reaches its upstream without TLS',
    ),
    ...failEach(findUnverified(tools), 'has verify_ssl: false'),
  ];
  const unboxed = (tools: readonly Tool[]) =>
    failEach(
      tools.filter((tool) => isUnboxed(tool, loaded)),
      'runs without a sandbox',
    );
  return [
    draft(loaded, 'http', 'HTTP: HTTPS only, certificate validation', ['http', 'streamable_http'], {
      passes: 'https or named hosts, the URL guard on every call',
      judge: insecure,
    }),
    draft(loaded, 'websocket', 'WebSocket: WSS only, origin validation', ['websocket'], {
      passes: `wss or named hosts; ${origins} may connect to this server`,
      judge: insecure,
    }),
    draft(loaded, 'cli', 'CLI: Sandboxed execution, input sanitization', ['cli'], {
      passes: 'argv arrays in a sandbox, no shell',
      judge: unboxed,
    }),
    draft(loaded, 'sse', 'SSE: Authenticated connections, event limits', ['sse'], {
      passes: 'callers present a credential; max_events and a rate bound each stream',
      judge: insecure,
    }),
    draft(loaded, 'text', 'Text: Path validation, size limits', ['text', 'file'], {
      passes: 'the resolved path stays in allowed_paths, up to max_size',
      judge: () => [],
    }),
    draft(loaded, 'mcp', 'MCP: Trusted servers, resource limits', ['mcp'], {
      passes: `definitions are pinned${config.mcp.lock_file === undefined ? ' in memory' : ` in ${config.mcp.lock_file}`}`,
      judge: (tools) => unboxed(tools.filter(isLocalServer)),
    }),
  ];
}

interface Judgement {
  readonly passes: string;
  judge(tools: readonly Tool[]): readonly Failure[];
}

function draft(
  { catalog }: LoadedConfig,
  id: string,
  title: string,
  types: readonly string[],
  { passes, judge }: Judgement,
): Draft {
  const tools = catalog.tools.filter(({ template }) => types.includes(template.call_template_type));
  const applies = tools.length > 0;
  return {
    id,
    title,
    failures: judge(tools),
    passes: applies ? `${count(tools.length, 'tool')}: ${passes}` : 'no such tool',
    applies,
    pointer: '/manuals',
    mend: 'See docs/protocols, and take away what switches the protection off.',
  };
}

function isUnboxed(tool: Tool, { config }: LoadedConfig): boolean {
  return config.manuals.find(({ name }) => name === tool.manual)?.sandbox === 'none';
}

// A server that is reached by URL runs elsewhere.
function isLocalServer({ template }: Tool): boolean {
  const { server_config, config } = template;
  const servers = isJsonObject(config) && isJsonObject(config.mcpServers) ? Object.values(config.mcpServers) : [];
  const known = [server_config, ...servers].filter(isJsonObject);
  return known.length === 0 || known.some(({ url }) => url === undefined);
}
