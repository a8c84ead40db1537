import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Policy } from '../access/index.js';
import { type Finding, LoadError, type LocalTool, toPointer } from '../core/index.js';
import { findUnknownTools } from '../limits/index.js';
import {
  buildCatalog,
  type Catalog,
  type ConfiguredManual,
  parseDocument,
  type SourceDocument,
  toLocalManuals,
} from '../manual/index.js';
import { SecureVariableLoader, type VariableSource } from '../variables/index.js';
import { digest } from './digest.js';
import { knownKeys } from './keys.js';
import { loadManuals } from './manuals.js';
import { resolvePaths } from './paths.js';
import { describeIssues } from './problem.js';
import { configSchema, type GatehouseConfig } from './schema.js';

/** A configuration that has been read, with its manuals, and checked as far as it can be without starting anything. */
export interface LoadedConfig {
  /** Absolute path; of a configuration that came as an object, what it is called in findings. */
  readonly file: string;
  /** Relative paths of the configuration resolve against it. */
  readonly base_dir: string;
  readonly config: GatehouseConfig;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly variables: VariableSource;
  /** The configured ones, then those of `tools`. */
  readonly manuals: readonly ConfiguredManual[];
  /** Tools of the program itself. */
  readonly tools: readonly LocalTool[];
  /** Warnings and remarks; what is wrong was thrown. */
  readonly notices: readonly Finding[];
  /** SHA-256, hex, of the configuration as parsed. */
  readonly config_digest: string;
  readonly policy_digest: string;
  /** The line of a JSON pointer in the configuration file. */
  lineOf(pointer: string): number | undefined;
}

/** What a command makes of a parsed configuration before it is used. */
export interface PreparedConfig {
  readonly config: GatehouseConfig;
  /** Where variables come from ahead of files. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What a program or a command adds to a configuration as it is loaded. */
export interface LoadOptions {
  /** The command line's and the environment's overrides; the configuration and the process's environment when absent. */
  readonly prepare?: (config: GatehouseConfig) => PreparedConfig | Promise<PreparedConfig>;
  /** Tools of the program itself, made by `defineTool`; they join the configured manuals in one catalog. */
  readonly tools?: readonly LocalTool[];
}

/** A configuration that a program holds, in place of a file. */
export interface ConfigObject {
  /** What `gatehouse.yaml` would say. */
  readonly value: object;
  /** Relative paths of the configuration resolve against it. */
  readonly base_dir: string;
}

/**
 * Reads a configuration, from a file or as an object, and all that it names. Throws LoadError with every finding (file,
 * line, pointer, problem, mend), so that all are mended in one go.
 */
export async function loadConfig(source: string | ConfigObject, options: LoadOptions = {}): Promise<LoadedConfig> {
  const { file, base_dir, document, config: parsed } = await readSource(source);
  const tools = options.tools ?? [];
  const prepared = (await options.prepare?.(parsed)) ?? { config: parsed, environment: process.env };
  const config = resolvePaths(prepared.config, base_dir);
  const variables = new SecureVariableLoader(config.variables, prepared.environment);
  const notices: Finding[] = [];
  return atLines(document, async () => {
    const manuals = [
      ...(await loadManuals({ config, base_dir, file: document.file, variables, notices })),
      ...toLocalManuals(tools, base_dir),
    ];
    const catalog = buildCatalog(manuals);
    const policy = Policy.compile(config.policy, catalog.tools, notices);
    const strays = [
      ...findUnknownRoles(config),
      ...findUnknownTools(
        config.limits,
        catalog.tools.map(({ id }) => id),
      ),
    ];
    if (strays.length > 0) throw new LoadError(strays);
    return {
      file,
      base_dir,
      config,
      catalog,
      policy,
      variables,
      manuals,
      tools,
      notices: notices.map((notice) => placeFinding(notice, document)),
      config_digest: digest(document.value),
      policy_digest: digest({ policy: config.policy, callers: config.callers }),
      lineOf: (pointer) => document.lineOf(pointer),
    };
  });
}

async function readSource(source: string | ConfigObject): Promise<WrittenConfig & { readonly base_dir: string }> {
  if (typeof source === 'string') return { ...(await readConfig(source)), base_dir: dirname(resolve(source)) };
  const base_dir = resolve(source.base_dir);
  // Through JSON, so that what is digested and checked is what a file could say; its lines would mean nothing.
  const { value } = parseDocument(JSON.stringify(source.value), objectName);
  const document = { file: objectName, value, lineOf: () => undefined };
  return { file: objectName, base_dir, document, config: resolvePaths(parseConfig(document), base_dir) };
}

/** What findings call a configuration that came as an object. */
const objectName = 'config';

/** Where a configuration was read from: its value, and the lines of a text if it had any. */
export interface ConfigDocument {
  readonly file: string;
  readonly value: SourceDocument['value'];
  lineOf(pointer: string): number | undefined;
}

/** A configuration as written: parsed, with its own paths absolute, and nothing that it names read yet. */
export interface WrittenConfig {
  readonly file: string;
  readonly document: ConfigDocument;
  readonly config: GatehouseConfig;
}

/** Reads and parses a configuration file alone. Throws LoadError. */
export async function readConfig(file: string): Promise<WrittenConfig> {
  const document = await readConfigDocument(file);
  const path = resolve(file);
  const config = resolvePaths(parseConfig(document), dirname(path));
  return { file: path, document, config: withDefaultKeysFile(config, path) };
}

/** Where API keys are when `auth.keys_file` is not set: `keys.yaml` beside the configuration. */
export function defaultKeysFile(configFile: string): string {
  return join(dirname(configFile), 'keys.yaml');
}

function withDefaultKeysFile(config: GatehouseConfig, path: string): GatehouseConfig {
  const file = defaultKeysFile(path);
  if (config.auth.keys_file !== undefined || !existsSync(file)) return config;
  return { ...config, auth: { ...config.auth, keys_file: file } };
}

/** Parses a configuration's value. Throws LoadError. */
function parseConfig(document: ConfigDocument): GatehouseConfig {
  const parsed = configSchema.safeParse(document.value ?? {});
  if (parsed.success) return parsed.data;
  const findings = describeIssues(parsed.error.issues, (path) => knownKeys(configSchema, path));
  throw new LoadError(findings.map((finding) => placeFinding(finding, document)));
}

async function readConfigDocument(file: string): Promise<SourceDocument> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw LoadError.of({
      rule: 'config-unreadable',
      file,
      pointer: '',
      message: missing ? 'There is no such configuration file.' : 'The configuration file cannot be read.',
      mend: missing ? 'Run gatehouse init, or name one with --config or GATEHOUSE_CONFIG.' : 'Make it readable.',
    });
  }
  return parseDocument(text, file);
}

function findUnknownRoles(config: GatehouseConfig): Finding[] {
  return config.callers.flatMap((caller, position) =>
    caller.roles.flatMap((role, index) =>
      Object.hasOwn(config.policy.roles, role)
        ? []
        : [
            {
              rule: 'role-unknown',
              severity: 'error' as const,
              pointer: toPointer('callers', position, 'roles', index),
              message: `Caller ${caller.id} has the role ${role}, which the policy does not define.`,
              mend: `Define it under policy.roles, or use one of ${Object.keys(config.policy.roles).join(', ') || 'none so far'}.`,
            },
          ],
    ),
  );
}

/** Findings about the configuration itself carry its file and line; those about a manual have their own. */
function placeFinding(finding: Finding, document: ConfigDocument): Finding {
  if (finding.file !== undefined) return finding;
  const line = document.lineOf(finding.pointer);
  return { ...finding, file: document.file, ...(line !== undefined && { line }) };
}

async function atLines<Value>(document: ConfigDocument, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    throw new LoadError(error.findings.map((finding) => placeFinding(finding, document)));
  }
}
