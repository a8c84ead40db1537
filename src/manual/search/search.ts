import { createHash } from 'node:crypto';
import type { Tool } from '../../core/index.js';
import { Recent } from './recent.js';
import { measureTool, ToolIndex } from './tool-index.js';

/** Which tools are asked for. */
export interface SearchQuery {
  /** The task, in words; best fits come first. Without it, tools stand in the catalog's order. */
  readonly text: string | undefined;
  /** Only tools with this tag, exactly. */
  readonly tag: string | undefined;
  /** At most so many; all when undefined. */
  readonly limit: number | undefined;
}

/** What a caller may see, as the access rules' permission set says it. */
export interface Visibility {
  /** Equal keys mean equal visibility. */
  readonly key: string;
  isVisible(tool: Tool): boolean;
}

/** What some callers see. */
interface Scope {
  readonly tools: readonly Tool[];
  /** Equal for callers with different rights who see the same. */
  readonly digest: string;
}

/** Bytes that an index holds for each character indexed, measured. */
const bytesPerCharacter = 8;
const bytesPerReference = 8;

/**
 * Searches of one catalog. Each set of tools that some caller sees has an index of its own, made when it is first
 * searched and shared by all who see the same: neither results nor their order nor the time of a search depend on what
 * a caller does not see.
 */
export class ToolSearch {
  readonly #tools: readonly Tool[];
  readonly #scopes: Recent<Scope>;
  readonly #indexes: Recent<Promise<ToolIndex>>;
  /** One index is made at a time: each takes memory and the event loop's turns. */
  #building: Promise<unknown> = Promise.resolve();

  /** `max_bytes` bounds, by estimate, what all indexes hold, and again the lists of what callers see. */
  constructor(tools: readonly Tool[], max_bytes: number) {
    this.#tools = tools;
    this.#scopes = new Recent(max_bytes);
    this.#indexes = new Recent(max_bytes);
  }

  /** What is kept now: how many indexes, and their bytes by estimate. */
  get kept(): { readonly indexes: number; readonly bytes: number } {
    return { indexes: this.#indexes.size, bytes: this.#indexes.weight };
  }

  /** The tools that a query asks for among those of `manual`, or of all when it is undefined. */
  async find(visibility: Visibility, manual: string | undefined, query: SearchQuery): Promise<readonly Tool[]> {
    const { text, tag, limit } = query;
    const scope = this.#scopeOf(visibility);
    const admits = (tool: Tool) =>
      (manual === undefined || tool.manual === manual) && (tag === undefined || tool.tags.includes(tag));
    if (text === undefined) return scope.tools.filter(admits).slice(0, limit);
    const index = await this.#indexOf(scope);
    return index.find(text, admits).slice(0, limit);
  }

  #scopeOf(visibility: Visibility): Scope {
    const { key } = visibility;
    const known = this.#scopes.get(key);
    if (known) return known;
    const tools = this.#tools.filter((tool) => visibility.isVisible(tool));
    const places = Uint32Array.from(tools, ({ index }) => index);
    const scope = { tools, digest: createHash('sha256').update(places).digest('base64url') };
    this.#scopes.add(key, scope, tools.length * bytesPerReference + key.length);
    return scope;
  }

  #indexOf({ tools, digest }: Scope): Promise<ToolIndex> {
    const known = this.#indexes.get(digest);
    if (known) return known;
    const index = this.#building.then(() => ToolIndex.build(tools));
    this.#indexes.add(digest, index, tools.reduce((sum, tool) => sum + measureTool(tool), 0) * bytesPerCharacter);
    // What could not be made is not kept, and keeps no other from being made.
    this.#building = index.catch(() => this.#indexes.delete(digest));
    return index;
  }
}
