import type { LoadedConfig } from '../config/index.js';
import { type Finding, LoadError, type PreparedCall, type Tool } from '../core/index.js';
import { type Breakers, createLimitPlan } from '../limits/index.js';
import { type ConfiguredManual, Publisher } from '../manual/index.js';
import { type Generation, ToolRuntime } from '../pipeline/index.js';
import type { ProtocolRegistry, ToolBinding } from '../protocols/index.js';
import type { SchemaCompiler } from '../schema/index.js';
import type { IdentityGeneration } from './identity.js';
import type { ManualSigning } from './manual-signing.js';

/** What a generation is built with beside its configuration. */
export interface GenerationParts {
  readonly protocols: ProtocolRegistry;
  readonly compiler: SchemaCompiler;
  readonly identity: IdentityGeneration;
  readonly breakers: Breakers;
  readonly public_url: string;
  readonly signing: ManualSigning;
  /** Told of each view that is asked for: whether it was built already. */
  readonly on_view?: (known: boolean) => void;
}

/**
 * Compiles a loaded configuration into what requests run on: every template bound, every schema checked. Throws
 * LoadError with all findings; nothing of the running server is touched.
 */
export function buildGeneration(loaded: LoadedConfig, parts: GenerationParts, notices: Finding[] = []): Generation {
  const findings: Finding[] = [];
  const runtimes = loaded.manuals.flatMap(
    (manual) =>
      loaded.catalog.manual(manual.entry.name)?.tools.map((tool) => {
        findings.push(...checkSchemas(tool, manual, parts.compiler));
        const prepared = prepareTool(tool, manual, loaded, parts.protocols, findings, notices);
        const upstream = prepared?.upstream ?? tool.manual;
        return new ToolRuntime(tool, prepared, parts.compiler, upstream, parts.breakers.of(upstream));
      }) ?? [],
  );
  if (findings.length > 0) throw new LoadError(findings);
  return {
    catalog: loaded.catalog,
    policy: loaded.policy,
    publisher: new Publisher(loaded.catalog, {
      public_url: parts.public_url,
      max_cache_bytes: loaded.config.server.manual_cache_bytes,
      ...(parts.signing.describe && { describe: parts.signing.describe }),
      ...(parts.on_view && { on_view: parts.on_view }),
    }),
    signing_keys: parts.signing.keys,
    ...parts.identity,
    limits: createLimitPlan(loaded.config.limits),
    runtimes,
    policy_digest: loaded.policy_digest,
    config_digest: loaded.config_digest,
  };
}

function prepareTool(
  tool: Tool,
  manual: ConfiguredManual,
  loaded: LoadedConfig,
  protocols: ProtocolRegistry,
  findings: Finding[],
  notices: Finding[],
): PreparedCall | undefined {
  if (tool.expose === 'direct') return undefined;
  try {
    return protocols.prepareTool(tool.template, bindTool(tool, manual, loaded, notices));
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    findings.push(...error.findings.map((finding) => placeInManual(finding, tool, manual)));
    return undefined;
  }
}

function bindTool(tool: Tool, manual: ConfiguredManual, loaded: LoadedConfig, notices: Finding[]): ToolBinding {
  const { entry, file } = manual;
  const pointer = pointerOf(tool, manual);
  return {
    tool: tool.id,
    inputs: tool.inputs,
    variables: loaded.variables,
    base_dir: manual.base_dir,
    file,
    pointer: `${pointer}/tool_call_template`,
    timeout_ms: tool.settings.timeout_ms,
    settings: entry,
    notice: (finding) => notices.push(placeInManual(finding, tool, manual)),
  };
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

function checkSchemas(tool: Tool, manual: ConfiguredManual, compiler: SchemaCompiler): Finding[] {
  return (['inputs', 'outputs'] as const).flatMap((part) => {
    const schema = tool[part];
    const problem = schema && compiler.check(schema);
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
