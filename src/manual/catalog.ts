import { createHash } from 'node:crypto';
import { type Finding, LoadError, type Tool, type ToolSettings, toPointer } from '../core/index.js';
import { CatalogTool, type ToolSource } from './catalog-tool.js';
import type { ManualEntry, ToolSettingsConfig } from './config.js';
import type { LoadedManual } from './load.js';

/** A manual that has been read, with the configuration entry that named it. */
export interface ConfiguredManual extends Omit<LoadedManual, 'manual'> {
  readonly entry: ManualEntry;
  readonly manual: ManualSource;
}

/** What the catalog needs of a manual. */
export interface ManualSource {
  readonly manual_version: string;
  readonly tools: readonly ToolSource[];
}

/** The same manual without its text, which is there for the lines of findings: for when there is nothing left to find. */
export function forgetPlaces(manual: ConfiguredManual): ConfiguredManual {
  return { ...manual, pointers: new Map(), lineOf: () => undefined };
}

export interface CatalogManual {
  readonly name: string;
  readonly version: string;
  readonly tools: readonly Tool[];
}

/** All tools of all manuals: immutable, indexed once at load. */
export class Catalog {
  readonly #byManual: ReadonlyMap<string, ReadonlyMap<string, Tool>>;
  /** SHA-256 over every source and what the configuration adds; the events' `manual_digest`. */
  readonly digest: string;

  constructor(
    readonly manuals: readonly CatalogManual[],
    readonly tools: readonly Tool[],
    digests: readonly string[],
  ) {
    this.#byManual = new Map(
      manuals.map((manual) => [manual.name, new Map(manual.tools.map((tool) => [tool.name, tool]))]),
    );
    this.digest = createHash('sha256').update(digests.join('\n')).digest('hex');
  }

  find(manual: string, tool: string): Tool | undefined {
    return this.#byManual.get(manual)?.get(tool);
  }

  /** By `manual.tool`. */
  findById(id: string): Tool | undefined {
    const dot = id.indexOf('.');
    return dot < 0 ? undefined : this.find(id.slice(0, dot), id.slice(dot + 1));
  }

  manual(name: string): CatalogManual | undefined {
    return this.manuals.find((manual) => manual.name === name);
  }
}

/**
 * Builds the catalog. Throws LoadError for a tool name that two manuals share once prefixes are on, for an entry's
 * `tools` that name no tool, and for two manuals of one name.
 */
export function buildCatalog(manuals: readonly ConfiguredManual[]): Catalog {
  const findings: Finding[] = [];
  const owners = new Map<string, string>();
  const tools: Tool[] = [];
  const listed = manuals.map(({ entry, manual }, position): CatalogManual => {
    if (manuals.findIndex((other) => other.entry.name === entry.name) !== position) {
      findings.push(duplicateManual(entry.name, position));
    }
    const own = createTools(manual, entry, tools.length);
    for (const tool of own) {
      tools.push(tool);
      const owner = owners.get(tool.name);
      if (owner !== undefined) findings.push(collision(tool.name, owner, entry.name, position));
      owners.set(tool.name, entry.name);
    }
    findings.push(...strayToolSettings(entry, manual, position));
    return { name: entry.name, version: manual.manual_version, tools: own };
  });
  if (findings.length > 0) throw new LoadError(findings);
  return new Catalog(
    listed,
    tools,
    manuals.map(({ entry, digest }) => `${digest} ${JSON.stringify(entry)}`),
  );
}

// Tools that nothing is set for share the settings that they have.
function createTools({ tools }: ManualSource, entry: ManualEntry, first: number): readonly Tool[] {
  const usual = createSettings(entry, undefined, undefined);
  return tools.map((authored, place) => {
    const { name, required_scopes } = authored;
    const own = entry.tools[name] ?? entry.tools[`${entry.prefix}${name}`];
    const settings = own || required_scopes ? createSettings(entry, own, required_scopes) : usual;
    return new CatalogTool(authored, entry, first + place, settings);
  });
}

function createSettings(
  entry: ManualEntry,
  settings: ToolSettingsConfig | undefined,
  authored_scopes: readonly string[] | undefined,
): ToolSettings {
  return {
    required_scopes: settings?.required_scopes ?? authored_scopes ?? [],
    timeout_ms: settings?.timeout_ms ?? entry.timeout_ms,
    log_arguments: settings?.log_arguments ?? [],
    honeypot: settings?.honeypot ?? false,
    validate_outputs: settings?.validate_outputs ?? true,
    publish_as: settings?.publish_as ?? ['http'],
  };
}

function strayToolSettings(entry: ManualEntry, manual: ManualSource, position: number): Finding[] {
  const names = new Set(manual.tools.flatMap(({ name }) => [name, `${entry.prefix}${name}`]));
  return Object.keys(entry.tools)
    .filter((name) => !names.has(name))
    .map((name) => ({
      rule: 'tool-unknown',
      severity: 'error',
      pointer: toPointer('manuals', position, 'tools', name),
      message: `Manual ${entry.name} has no tool ${name}.`,
      mend: 'Name one of its tools or take the entry out.',
    }));
}

function collision(tool: string, first: string, second: string, position: number): Finding {
  return {
    rule: 'tool-name-collision',
    severity: 'error',
    pointer: toPointer('manuals', position),
    message: `Both ${first} and ${second} have a tool named ${tool}.`,
    mend: 'Give one of the manuals a prefix.',
  };
}

function duplicateManual(name: string, position: number): Finding {
  return {
    rule: 'manual-duplicate',
    severity: 'error',
    pointer: toPointer('manuals', position, 'name'),
    message: `Two manuals are named ${name}.`,
    mend: 'Rename one.',
  };
}
