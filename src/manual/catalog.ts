import { createHash } from 'node:crypto';
import {
  type AuthoredManual,
  type AuthoredTool,
  type Finding,
  LoadError,
  type Tool,
  type ToolSettings,
  toPointer,
} from '../core/index.js';
import type { ManualEntry, ToolSettingsConfig } from './config.js';
import type { LoadedManual } from './load.js';

/** A manual that has been read, with the configuration entry that named it. */
export interface ConfiguredManual extends LoadedManual {
  readonly entry: ManualEntry;
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
    const own = manual.tools.map((authored) => createTool(authored, entry, tools));
    for (const tool of own) {
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

function createTool(authored: AuthoredTool, entry: ManualEntry, tools: Tool[]): Tool {
  const name = `${entry.prefix}${authored.name}`;
  const tool: Tool = {
    id: `${entry.name}.${name}`,
    index: tools.length,
    manual: entry.name,
    name,
    description: authored.description,
    inputs: authored.inputs,
    outputs: authored.outputs,
    tags: authored.tags,
    average_response_size: authored.average_response_size,
    expose: entry.expose,
    template: authored.tool_call_template,
    settings: createSettings(authored, entry, entry.tools[authored.name] ?? entry.tools[name]),
  };
  tools.push(tool);
  return tool;
}

function createSettings(
  authored: AuthoredTool,
  entry: ManualEntry,
  settings: ToolSettingsConfig | undefined,
): ToolSettings {
  return {
    required_scopes: settings?.required_scopes ?? authored.required_scopes ?? [],
    timeout_ms: settings?.timeout_ms ?? entry.timeout_ms,
    log_arguments: settings?.log_arguments ?? [],
    honeypot: settings?.honeypot ?? false,
    validate_outputs: settings?.validate_outputs ?? true,
    publish_as: settings?.publish_as ?? ['http'],
  };
}

function strayToolSettings(entry: ManualEntry, manual: AuthoredManual, position: number): Finding[] {
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
