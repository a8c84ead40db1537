import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import type { CallTemplate, JsonSchema } from '../core/index.js';
import type { ManualSource } from './catalog.js';
import type { ToolSource } from './catalog-tool.js';

/** Tools that are compressed together: the more, the smaller; but all of them are unpacked for the first call of one. */
const blockLength = 64;

/** What of a tool is wanted when it is published, bound, compiled or searched, and at no other time. */
interface Definition {
  readonly description: string;
  readonly inputs: JsonSchema;
  readonly outputs?: JsonSchema | undefined;
  readonly average_response_size?: number | undefined;
  readonly tool_call_template: CallTemplate;
}

/**
 * The same manual with its tools' schemas, templates and descriptions compressed, outside of the heap, until they are
 * asked for. As objects they take thirty times the room, and of a hundred thousand tools most are never called.
 */
export function packManual(manual: ManualSource): ManualSource {
  const definitions = new Definitions(manual.tools);
  const tags = new Map<string, readonly string[]>();
  return {
    ...manual,
    tools: manual.tools.map((tool, index) => {
      const key = JSON.stringify(tool.tags);
      const shared = tags.get(key) ?? tool.tags;
      tags.set(key, shared);
      return new PackedTool(tool.name, shared, tool.required_scopes, definitions, index);
    }),
  };
}

class Definitions {
  readonly #blocks: readonly Buffer[];
  #latest: { readonly block: number; readonly definitions: readonly Definition[] } | undefined;

  constructor(tools: readonly ToolSource[]) {
    this.#blocks = Array.from({ length: Math.ceil(tools.length / blockLength) }, (_, block) => {
      const definitions = tools.slice(block * blockLength, (block + 1) * blockLength).map(pickDefinition);
      // A copy of its own length: zlib's result is the start of a larger buffer.
      return Buffer.from(deflateRawSync(JSON.stringify(definitions), { level: constants.Z_BEST_SPEED }));
    });
  }

  /** Throws when there is no such tool. Remembers the latest block: tools are read in turn, and each several times. */
  read(index: number): Definition {
    const block = Math.floor(index / blockLength);
    if (this.#latest?.block !== block) this.#latest = { block, definitions: this.#unpack(block) };
    const definition = this.#latest.definitions[index % blockLength];
    if (!definition) throw new RangeError(`there is no tool ${index}`);
    return definition;
  }

  #unpack(block: number): readonly Definition[] {
    return JSON.parse(inflateRawSync(this.#blocks[block] ?? Buffer.alloc(0)).toString('utf8'));
  }
}

function pickDefinition(tool: ToolSource): Definition {
  const { description, inputs, outputs, average_response_size, tool_call_template } = tool;
  return { description, inputs, outputs, average_response_size, tool_call_template };
}

/** A tool whose definition is packed: each reading of a schema may give another object, equal to the one before. */
class PackedTool implements ToolSource {
  readonly #definitions: Definitions;
  readonly #index: number;

  constructor(
    readonly name: string,
    readonly tags: readonly string[],
    readonly required_scopes: readonly string[] | undefined,
    definitions: Definitions,
    index: number,
  ) {
    this.#definitions = definitions;
    this.#index = index;
  }

  get description(): string {
    return this.#definitions.read(this.#index).description;
  }

  get inputs(): JsonSchema {
    return this.#definitions.read(this.#index).inputs;
  }

  get outputs(): JsonSchema | undefined {
    return this.#definitions.read(this.#index).outputs;
  }

  get average_response_size(): number | undefined {
    return this.#definitions.read(this.#index).average_response_size;
  }

  get tool_call_template(): CallTemplate {
    return this.#definitions.read(this.#index).tool_call_template;
  }
}
