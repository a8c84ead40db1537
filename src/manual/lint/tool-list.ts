import { isJsonObject, type Json, toPointer } from '../../core/index.js';
import type { ToolSource } from './rule.js';
import { objectOf } from './walk.js';

/** The tools of a manual's `tools`, of either shape; what is no tool is left out. */
export function listTools(tools: Json | undefined): readonly ToolSource[] {
  if (!Array.isArray(tools)) return [];
  return tools.flatMap((tool: Json, index): readonly ToolSource[] => {
    if (!isJsonObject(tool)) return [];
    const pointer = toPointer('tools', index);
    const field =
      isJsonObject(tool.tool_provider) && tool.tool_call_template === undefined
        ? 'tool_provider'
        : 'tool_call_template';
    const template = objectOf(tool[field]);
    const type = template.call_template_type ?? template.provider_type ?? template.type;
    return [
      {
        name: typeof tool.name === 'string' ? tool.name : `tool ${index}`,
        pointer,
        tool,
        template,
        template_pointer: `${pointer}/${field}`,
        template_type: type === 'http_stream' ? 'streamable_http' : String(type ?? ''),
      },
    ];
  });
}

/** The name of the tool that a pointer into the manual leads into. */
export function toolAt(pointer: string, tools: readonly ToolSource[]): string | undefined {
  const index = /^\/tools\/(\d+)/.exec(pointer)?.[1];
  return index === undefined ? undefined : tools.find((tool) => tool.pointer === `/tools/${index}`)?.name;
}
