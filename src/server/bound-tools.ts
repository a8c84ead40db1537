import { hash } from 'node:crypto';
import type { LoadedConfig } from '../config/index.js';
import { anchorsOf, type Finding, LoadError, type PreparedCall, type Tool } from '../core/index.js';
import type { Breakers } from '../limits/index.js';
import type { ConfiguredManual } from '../manual/index.js';
import { type Generation, type ToolParts, ToolRuntime } from '../pipeline/index.js';
import type { ProtocolRegistry, ToolBinding } from '../protocols/index.js';
import type { SchemaCompiler } from '../schema/index.js';

/** What tools are bound with, the same for every generation. */
export interface BindingParts {
  readonly protocols: ProtocolRegistry;
  readonly compiler: SchemaCompiler;
  readonly breakers: Breakers;
}

/** As many tools are made ready at once; of more, each when it is first called. */
export const readyTools = 200;

/**
 * Checks the schemas of every tool and binds it to what it calls; `findings` gets what is wrong. Of many tools only what
 * lasts is kept of that, and each is bound anew when it is first called: bound, a tool takes twice the room of its text.
 */
export function bindTools(
  { manuals, catalog, variables }: LoadedConfig,
  parts: BindingParts,
  findings: Finding[],
  notices: Finding[],
): Pick<Generation, 'runtimes' | 'anchors'> {
  const anchors = new Set<object>();
  const check = createSchemaCheck(parts.compiler);
  const keepsAll = catalog.tools.length <= readyTools;
  const runtimes = manuals.flatMap((manual) => {
    const bind = createBind(manual, variables, parts.protocols);
    const shareParts = createSharing(bind, parts);
    const { tools } = catalog.manual(manual.entry.name) ?? { tools: [] };
    return tools.map((tool) => {
      findings.push(...checkSchemas(tool, manual, check));
      const prepared = prepareTool(tool, manual, bind, findings, notices);
      for (const anchor of prepared ? anchorsOf(prepared) : []) anchors.add(anchor);
      const isKept = keepsAll || !prepared?.anchors;
      return new ToolRuntime(tool, isKept ? prepared : undefined, shareParts(prepared?.upstream ?? tool.manual));
    });
  });
  return { runtimes, anchors };
}

function createSharing(bind: Bind, { compiler, breakers }: BindingParts): (upstream: string) => ToolParts {
  const known = new Map<string, ToolParts>();
  return (upstream) => {
    const parts = known.get(upstream) ?? { upstream, breaker: breakers.of(upstream), compiler, bind };
    known.set(upstream, parts);
    return parts;
  };
}

/** Binds a tool, for findings or, later on, for its first call: then there is nothing left to find. */
type Bind = (tool: Tool, place?: Pick<ToolBinding, 'pointer' | 'notice'>) => PreparedCall;

const nowhere = { pointer: '', notice: () => undefined };

// Holds nothing of the manual's text, since it is there as long as the generation.
function createBind(
  { entry, file, base_dir }: ConfiguredManual,
  variables: LoadedConfig['variables'],
  protocols: ProtocolRegistry,
): Bind {
  return (tool, place = nowhere) =>
    protocols.prepareTool(tool.template, {
      tool: tool.id,
      inputs: tool.inputs,
      variables,
      base_dir,
      file,
      timeout_ms: tool.settings.timeout_ms,
      settings: entry,
      ...place,
    });
}

function prepareTool(
  tool: Tool,
  manual: ConfiguredManual,
  bind: Bind,
  findings: Finding[],
  notices: Finding[],
): PreparedCall | undefined {
  if (tool.expose === 'direct') return undefined;
  try {
    return bind(tool, {
      pointer: `${pointerOf(tool, manual)}/tool_call_template`,
      notice: (finding) => notices.push(placeInManual(finding, tool, manual)),
    });
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    findings.push(...error.findings.map((finding) => placeInManual(finding, tool, manual)));
    return undefined;
  }
}

function placeInManual(finding: Finding, tool: Tool, manual: ConfiguredManual): Finding {
  const pointer = finding.pointer || pointerOf(tool, manual);
  const line = finding.line ?? manual.lineOf(pointer);
  return {
    ...finding,
    file: finding.file ?? manual.file,
    pointer,
    message: `${tool.id}: ${finding.message}`,
    ...(line !== undefined && { line }),
  };
}

/** Says what is wrong with a schema. Tools of one source often answer alike, and what was found sound stays so. */
function createSchemaCheck(compiler: SchemaCompiler): SchemaCompiler['check'] {
  const sound = new Set<string>();
  return (schema) => {
    const digest = hash('sha256', JSON.stringify(schema), 'base64');
    if (sound.has(digest)) return undefined;
    const problem = compiler.check(schema);
    if (problem === undefined) sound.add(digest);
    return problem;
  };
}

function checkSchemas(tool: Tool, manual: ConfiguredManual, check: SchemaCompiler['check']): Finding[] {
  return (['inputs', 'outputs'] as const).flatMap((part) => {
    const schema = tool[part];
    const problem = schema && check(schema);
    if (problem === undefined) return [];
    const finding: Finding = {
      rule: 'schema-invalid',
      severity: 'error',
      pointer: `${pointerOf(tool, manual)}/${part}`,
      message: `The ${part} schema cannot be used: ${problem}`,
      mend: 'Write JSON Schema draft-07 or 2020-12.',
    };
    return [placeInManual(finding, tool, manual)];
  });
}

/** Where a tool stands in its source; catalog names carry the entry's prefix, source names do not. */
function pointerOf(tool: Tool, { entry, pointers }: ConfiguredManual): string {
  return pointers.get(tool.name.slice(entry.prefix.length)) ?? '';
}
