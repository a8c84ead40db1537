import { type AuthoredTool, LoadError, toPointer } from '../core/index.js';
import type { McpSettings } from './mcp-config.js';
import type { McpTool, McpToolDefinition } from './mcp-definition.js';
import { inspectServer } from './mcp-inspect.js';
import type { McpBinding } from './mcp-launch.js';
import { McpPins, type PinScope } from './mcp-pins.js';
import {
  listSourceServers,
  type McpSource,
  mcpTemplateSchema,
  type NamedServer,
  selectServer,
} from './mcp-template.js';

/** What differs between what is approved of a tool and what its server lists now. */
export type McpChange =
  | { readonly kind: 'new'; readonly tool: string; readonly current: McpToolDefinition }
  | { readonly kind: 'gone'; readonly tool: string; readonly approved: McpToolDefinition }
  | {
      readonly kind: 'changed';
      readonly tool: string;
      readonly approved: McpToolDefinition;
      readonly current: McpToolDefinition;
    };

/** A server whose tools are compared with what is approved. */
export interface McpReviewTarget {
  readonly manual: string;
  readonly server: NamedServer;
  /** The tools that the manual uses; undefined: all that the server lists (`source: mcp`). */
  readonly tools: ReadonlySet<string> | undefined;
}

/** What a review found on one server. */
export interface McpReview {
  readonly manual: string;
  readonly server: string;
  readonly changes: readonly McpChange[];
}

/** The servers of a manual entry with `source: mcp`. */
export function targetsOfSource(manual: string, source: McpSource): readonly McpReviewTarget[] {
  return listSourceServers(source).map((server) => ({ manual, server, tools: undefined }));
}

/** The servers that the `mcp` templates of a written manual use; templates that are not valid are left to the load. */
export function targetsOfTools(
  manual: string,
  tools: readonly Pick<AuthoredTool, 'name' | 'tool_call_template'>[],
): readonly McpReviewTarget[] {
  const targets = new Map<string, { server: NamedServer; tools: Set<string> }>();
  tools.forEach(({ name, tool_call_template: authored }, index) => {
    const template = mcpTemplateSchema.safeParse(authored);
    if (!template.success) return;
    const chosen = selectServer(template.data);
    const pointer = toPointer('tools', index, 'tool_call_template') + chosen.pointer;
    const key = JSON.stringify([chosen.name, chosen.config]);
    const target = targets.get(key) ?? { server: { ...chosen, pointer }, tools: new Set<string>() };
    target.tools.add(template.data.tool_name ?? name);
    targets.set(key, target);
  });
  return [...targets.values()].map((target) => ({ manual, ...target }));
}

/**
 * Connects to each server and compares its tools with the lock file. `binding.pointer` is what the targets' pointers
 * stand below. Throws LoadError for a server that does not answer.
 */
export async function reviewMcpServers(
  targets: readonly McpReviewTarget[],
  binding: McpBinding,
  settings: McpSettings,
): Promise<readonly McpReview[]> {
  const pins = new McpPins(settings.lock_file);
  const reviews: McpReview[] = [];
  for (const { manual, server, tools } of targets) {
    const listed = await inspectServer(
      server.config,
      { ...binding, pointer: binding.pointer + server.pointer },
      settings,
    );
    const changes = compareTools(pins, { manual, server: server.name }, listed);
    reviews.push({ manual, server: server.name, changes: changes.filter(({ tool }) => tools?.has(tool) ?? true) });
  }
  return reviews;
}

/**
 * Writes what a review found to the lock file: exactly the definitions that it holds, so that what a person saw is what
 * is approved. `only` names the tools; undefined: all. Returns how many were written. A running server takes them at its
 * next reload. Throws LoadError without a lock file, or for one that can't be written.
 */
export function approveMcpTools(
  reviews: readonly McpReview[],
  settings: McpSettings,
  only?: ReadonlySet<string>,
): number {
  const pins = new McpPins(settings.lock_file);
  let count = 0;
  for (const { manual, server, changes } of reviews) {
    const chosen = changes.filter(({ tool }) => only?.has(tool) ?? true);
    if (chosen.length === 0) continue;
    const approved = chosen.flatMap((change) => (change.kind === 'gone' ? [] : [change.current]));
    const removed = chosen.flatMap((change) => (change.kind === 'gone' ? [change.tool] : []));
    if (!settings.lock_file || !pins.write({ manual, server }, approved, removed)) throw unwritable(settings);
    count += chosen.length;
  }
  return count;
}

/** What differs between a server's approved tools and the listed ones. */
export function compareTools(pins: McpPins, scope: PinScope, listed: readonly McpTool[]): readonly McpChange[] {
  const current = new Map(listed.map((tool) => [tool.definition.name, tool]));
  const gone = pins
    .list(scope)
    .filter(({ definition }) => !current.has(definition.name))
    .map(({ definition }) => ({ kind: 'gone' as const, tool: definition.name, approved: definition }));
  return [...listed.flatMap((tool) => compareTool(pins, scope, tool)), ...gone];
}

function compareTool(pins: McpPins, scope: PinScope, { definition, digest }: McpTool): readonly McpChange[] {
  const approved = pins.find(scope, definition.name);
  if (!approved) return [{ kind: 'new', tool: definition.name, current: definition }];
  if (approved.digest === digest) return [];
  return [{ kind: 'changed', tool: definition.name, approved: approved.definition, current: definition }];
}

function unwritable({ lock_file: file }: McpSettings): LoadError {
  return LoadError.of({
    rule: 'mcp-lock-unwritable',
    ...(file !== undefined && { file }),
    pointer: '',
    message: file === undefined ? 'mcp.lock_file is not configured.' : 'The lock file cannot be written.',
    mend:
      file === undefined ? 'Set mcp.lock_file, so that an approval lasts.' : 'Make its folder writable for this user.',
  });
}
