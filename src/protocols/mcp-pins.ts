import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { LoadError } from '../core/index.js';
import { digestDefinition, type McpToolDefinition, toolDefinitionSchema } from './mcp-definition.js';

/** Whose definitions: a manual's, and in it one server's. */
export interface PinScope {
  readonly manual: string;
  readonly server: string;
}

/** A definition that is trusted, and its digest. */
export interface ApprovedTool {
  readonly definition: McpToolDefinition;
  readonly digest: string;
}

interface Pin extends PinScope, ApprovedTool {}

// A list and no nested objects: the names are the server's own, `__proto__` among the possible ones.
const lockSchema = z.strictObject({
  version: z.literal(1),
  tools: z.array(z.strictObject({ manual: z.string(), server: z.string(), definition: toolDefinitionSchema })),
});

/**
 * The approved definitions of MCP tools, in a lock file or in memory. The first sight of a tool is trusted and written
 * down; every other definition of it is for a person to approve (a rug pull: MCP tools that change after review, the
 * sibling of CVE-2025-14542). Without a file each start trusts anew: this fails open, as docs/protocols/mcp.md says.
 */
export class McpPins {
  readonly #file: string | undefined;
  #pins: ReadonlyMap<string, Pin> = new Map();
  #scopes: ReadonlySet<string> = new Set();
  #stamp = '';

  /** Reads the file where there is one; throws LoadError for one that can't be used. */
  constructor(file: string | undefined) {
    this.#file = file;
    this.refresh();
  }

  /** What is approved of a tool; undefined: it was never seen. */
  find(scope: PinScope, tool: string): ApprovedTool | undefined {
    return this.#pins.get(pinKey(scope, tool));
  }

  /** Whether any tool of the server was ever seen, so that a new one is no first sight. */
  knows(scope: PinScope): boolean {
    return this.#scopes.has(scopeKey(scope));
  }

  /** The server's approved tools. */
  list(scope: PinScope): readonly ApprovedTool[] {
    return [...this.#pins.values()].filter((pin) => scopeKey(pin) === scopeKey(scope));
  }

  /**
   * Approves definitions and takes names out. Returns false when the file could not be written: then they hold until
   * this process ends. Throws LoadError when the file has become unusable.
   */
  write(scope: PinScope, approved: readonly McpToolDefinition[], removed: readonly string[] = []): boolean {
    const pins = new Map(this.#readPins() ?? this.#pins);
    for (const name of removed) pins.delete(pinKey(scope, name));
    for (const definition of approved) {
      pins.set(pinKey(scope, definition.name), { ...scope, definition, digest: digestDefinition(definition) });
    }
    this.#adopt(pins);
    return this.#save();
  }

  /** Reads the file again when it has changed: after an approval by the command line. Throws LoadError. */
  refresh(): void {
    const stamp = this.#readStamp();
    if (stamp === this.#stamp) return;
    const pins = this.#readPins();
    if (pins) this.#adopt(pins);
    this.#stamp = stamp;
  }

  #adopt(pins: ReadonlyMap<string, Pin>): void {
    this.#pins = pins;
    this.#scopes = new Set([...pins.values()].map(scopeKey));
  }

  #readStamp(): string {
    const stat = this.#file === undefined ? undefined : statSync(this.#file, { throwIfNoEntry: false });
    return stat ? `${stat.mtimeMs} ${stat.size} ${stat.ino}` : '';
  }

  #readPins(): ReadonlyMap<string, Pin> | undefined {
    if (this.#file === undefined || this.#readStamp() === '') return undefined;
    try {
      const { tools } = lockSchema.parse(JSON.parse(readFileSync(this.#file, 'utf8')));
      return new Map(
        tools.map((tool) => [
          pinKey(tool, tool.definition.name),
          { ...tool, digest: digestDefinition(tool.definition) },
        ]),
      );
    } catch {
      // Starting without it would trust whatever the servers say today.
      throw LoadError.of({
        rule: 'mcp-lock-unusable',
        file: this.#file,
        pointer: '',
        message: 'The lock file of MCP tools cannot be read, or is not one.',
        mend: 'Restore it from version control, or review every tool and remove the file.',
      });
    }
  }

  #save(): boolean {
    if (this.#file === undefined) return true;
    const pins = [...this.#pins].sort(([one], [other]) => (one < other ? -1 : 1));
    const tools = pins.map(([, { manual, server, definition }]) => ({ manual, server, definition }));
    const draft = `${this.#file}.${process.pid}.tmp`;
    try {
      writeFileSync(draft, `${JSON.stringify({ version: 1, tools }, null, 2)}\n`);
      renameSync(draft, this.#file);
      this.#stamp = this.#readStamp();
      return true;
    } catch {
      // The caller reports it; the pins hold in memory.
      return false;
    }
  }
}

function scopeKey(scope: PinScope): string {
  return `${scope.manual}\0${scope.server}`;
}

function pinKey(scope: PinScope, tool: string): string {
  return `${scopeKey(scope)}\0${tool}`;
}
