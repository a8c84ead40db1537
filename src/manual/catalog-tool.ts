import type { AuthoredTool, CallTemplate, Exposure, JsonSchema, Tool, ToolSettings } from '../core/index.js';
import type { ManualEntry } from './config.js';

/** A tool as its manual has it; what is absent may be undefined, so that it can also be looked up when it is asked for. */
export interface ToolSource extends Omit<AuthoredTool, 'outputs' | 'average_response_size' | 'required_scopes'> {
  readonly outputs?: JsonSchema | undefined;
  readonly average_response_size?: number | undefined;
  readonly required_scopes?: readonly string[] | undefined;
}

/** A tool of the catalog: what its manual says of it, what its entry in the configuration says, and its place. */
export class CatalogTool implements Tool {
  readonly id: string;
  readonly name: string;
  readonly #authored: ToolSource;
  readonly #entry: ManualEntry;

  constructor(
    authored: ToolSource,
    entry: ManualEntry,
    readonly index: number,
    readonly settings: ToolSettings,
  ) {
    this.name = `${entry.prefix}${authored.name}`;
    // Joined, the text is one; of a template V8 would keep the parts as well, for every tool.
    this.id = [entry.name, this.name].join('.');
    this.#authored = authored;
    this.#entry = entry;
  }

  get manual(): string {
    return this.#entry.name;
  }

  get expose(): Exposure {
    return this.#entry.expose;
  }

  get tags(): readonly string[] {
    return this.#authored.tags;
  }

  get description(): string {
    return this.#authored.description;
  }

  get inputs(): JsonSchema {
    return this.#authored.inputs;
  }

  get outputs(): JsonSchema | undefined {
    return this.#authored.outputs;
  }

  get average_response_size(): number | undefined {
    return this.#authored.average_response_size;
  }

  get template(): CallTemplate {
    return this.#authored.tool_call_template;
  }
}
