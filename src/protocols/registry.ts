import type { z } from 'zod';
import { type CallTemplate, type Finding, LoadError, type PreparedCall, toPointer } from '../core/index.js';
import { createCliProtocol } from './cli.js';
import { createFileProtocol } from './file.js';
import { createHttpProtocol } from './http.js';
import { createLocalProtocol, localTemplateType } from './local.js';
import { createMcpProtocol } from './mcp.js';
import {
  type CallTemplateType,
  callTemplateTypes,
  type Protocol,
  type ProtocolDependencies,
  type ToolBinding,
  type UpstreamHealth,
} from './protocol.js';
import { createSseProtocol } from './sse.js';
import { createStreamableHttpProtocol } from './streamable-http.js';
import { createTextProtocol } from './text.js';
import { createWebsocketProtocol } from './websocket.js';

/** Every protocol of the server, behind one door. */
export interface ProtocolRegistry {
  /**
   * Parses a template by its protocol's schema and binds it. Throws LoadError with a finding for everything that is
   * wrong with the template: its type, a field, a variable, the URL, a file.
   */
  prepareTool(template: CallTemplate, binding: ToolBinding): PreparedCall;
  /** Starts what must run before the first call; rejects with LoadError when a start must not go on. */
  start(): Promise<void>;
  /** After a reload: ends what is none of these anchors of calls, once its own calls are done. */
  retain(inUse: ReadonlySet<object>): void;
  health(): readonly UpstreamHealth[];
  /** Ends every connection, process and timer. */
  close(): Promise<void>;
}

type ProtocolFactory = (deps: ProtocolDependencies) => Protocol<unknown>;

// One line a protocol.
const factories = {
  http: createHttpProtocol,
  sse: createSseProtocol,
  streamable_http: createStreamableHttpProtocol,
  websocket: createWebsocketProtocol,
  cli: createCliProtocol,
  text: createTextProtocol,
  file: createFileProtocol,
  mcp: createMcpProtocol,
} satisfies Record<CallTemplateType, ProtocolFactory>;

/** Makes one instance of every protocol. */
export function createProtocols(deps: ProtocolDependencies): ProtocolRegistry {
  const protocols = new Map<string, Protocol<unknown>>();
  for (const [type, create] of Object.entries<ProtocolFactory>(factories)) protocols.set(type, create(deps));
  if (deps.tools?.length) protocols.set(localTemplateType, createLocalProtocol(deps.tools, deps));
  const all = [...protocols.values()];
  return {
    prepareTool(template, binding) {
      const protocol = protocols.get(template.call_template_type);
      if (!protocol) throw unknownType(template.call_template_type, binding);
      return protocol.prepare(parseTemplate(protocol.schema, template, binding), binding);
    },
    async start() {
      await Promise.all(all.map((protocol) => protocol.start?.()));
    },
    retain(inUse) {
      for (const protocol of all) protocol.retain?.(inUse);
    },
    health: () => all.flatMap((protocol) => protocol.health?.() ?? []),
    async close() {
      await Promise.all(all.map((protocol) => protocol.close()));
    },
  };
}

function parseTemplate(schema: z.ZodType<unknown>, template: CallTemplate, binding: ToolBinding): unknown {
  const parsed = schema.safeParse(template);
  if (parsed.success) return parsed.data;
  throw new LoadError(parsed.error.issues.map((issue) => describeIssue(issue, binding)));
}

function describeIssue(issue: z.core.$ZodIssue, binding: ToolBinding): Finding {
  const pointer = binding.pointer + toPointer(...issue.path.map((step) => String(step)));
  const place = { rule: 'template-invalid', severity: 'error', file: binding.file, pointer } as const;
  if (issue.code !== 'unrecognized_keys')
    return { ...place, message: `${issue.message}.`, mend: 'See docs/protocols.' };
  const keys = issue.keys.join(', ');
  return {
    ...place,
    message: `Unknown in this template: ${keys}.`,
    mend: `Take out ${keys}, or correct the spelling.`,
  };
}

function unknownType(type: string, binding: ToolBinding): LoadError {
  return LoadError.of({
    rule: 'template-type-unknown',
    file: binding.file,
    pointer: `${binding.pointer}/call_template_type`,
    message: `${type} is no call template type that can be routed.`,
    mend: `Use one of ${callTemplateTypes.join(', ')}.`,
  });
}
