import { createHash } from 'node:crypto';
import type { AuthoredTool, LocalTool } from '../core/index.js';
import type { ConfiguredManual } from './catalog.js';
import { manualEntrySchema } from './config.js';
import { utcpVersion } from './publish.js';

/** Where findings about local tools say that they stand. */
const place = 'defineTool';

/** The manuals of a program's own tools, in the shape of configured ones, so that all that follows treats them alike. */
export function toLocalManuals(tools: readonly LocalTool[], base_dir: string): readonly ConfiguredManual[] {
  const names = new Set(tools.map(({ manual }) => manual));
  return [...names].map((name) =>
    toManual(
      name,
      tools.filter(({ manual }) => manual === name),
      base_dir,
    ),
  );
}

function toManual(name: string, tools: readonly LocalTool[], base_dir: string): ConfiguredManual {
  const manual = { utcp_version: utcpVersion, manual_version: '1.0.0', tools: tools.map(toAuthored) };
  return {
    manual,
    notices: [],
    kind: 'utcp',
    digest: createHash('sha256').update(JSON.stringify(manual)).digest('hex'),
    file: place,
    base_dir,
    pointers: new Map(tools.map((tool) => [tool.name, `/${tool.name}`])),
    lineOf: () => undefined,
    entry: manualEntrySchema.parse({
      name,
      source: place,
      // A local tool checks its results itself, as values, ahead of their JSON.
      tools: Object.fromEntries(tools.map((tool) => [tool.name, { ...tool.settings, validate_outputs: false }])),
    }),
  };
}

function toAuthored(tool: LocalTool): AuthoredTool {
  return {
    name: tool.name,
    description: tool.description,
    inputs: tool.inputs,
    ...(tool.outputs && { outputs: tool.outputs }),
    tags: tool.tags,
    tool_call_template: { call_template_type: 'local', http_method: tool.read_only ? 'GET' : 'POST' },
  };
}
