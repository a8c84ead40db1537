import { anchorsOf } from '../core/index.js';
import type { ServedTool } from './manual.js';
import { isAtProvider } from './provider.js';
import { BoundTool, type ToolContext } from './tool.js';

/** The tools that the client knows, from the manual and from searches. */
export class ToolDirectory {
  readonly #context: ToolContext;
  readonly #tools = new Map<string, BoundTool>();

  constructor(context: ToolContext) {
    this.#context = context;
  }

  /** Knows these tools and no others. */
  replaceAll(tools: readonly ServedTool[]): void {
    const names = new Set(tools.map(({ name }) => name));
    for (const name of this.#tools.keys()) if (!names.has(name)) this.#tools.delete(name);
    this.add(tools);
  }

  /** Knows these tools too. One that has not changed keeps what it has compiled; what others held is let go. */
  add(tools: readonly ServedTool[]): void {
    for (const served of tools) {
      if (this.#tools.get(served.name)?.served.digest === served.digest) continue;
      this.#tools.set(served.name, new BoundTool(served, this.#context));
    }
    const anchors = [...this.#tools.values()].flatMap(({ prepared }) => (prepared ? anchorsOf(prepared) : []));
    this.#context.protocols.retain(new Set(anchors));
  }

  /** A tool by its name, with or without `manual.` before it. */
  find(name: string): BoundTool | undefined {
    const exact = this.#tools.get(name);
    if (exact) return exact;
    const dot = name.indexOf('.');
    const tool = dot < 0 ? undefined : this.#tools.get(name.slice(dot + 1));
    return tool && this.#mayBeOf(name.slice(0, dot), tool) ? tool : undefined;
  }

  // A routed tool's URL names its manual, so `films.list` never calls the `list` of `books`; of a direct tool nothing
  // tells the manual, and its name is the only one of its kind.
  #mayBeOf(manual: string, { served }: BoundTool): boolean {
    const { url } = served.tool_call_template;
    if (typeof url !== 'string' || !isAtProvider(this.#context.provider, url)) return true;
    const [, owner] = /\/tools\/(\w+)\/\w+(?:\/body)?$/.exec(url) ?? [];
    return owner === undefined || owner === manual;
  }

  /** The form of a tool that streams: itself, or the twin that is published beside it under a name of its own. */
  findStreaming(tool: BoundTool): BoundTool {
    if (tool.streams) return tool;
    const { name, tool_call_template: template } = tool.served;
    for (const suffix of ['_sse', '_stream']) {
      const twin = this.#tools.get(`${name}${suffix}`);
      if (twin?.streams && twin.served.tool_call_template.url === template.url) return twin;
    }
    return tool;
  }
}
