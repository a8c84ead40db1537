import { isJsonObject, type Json, type JsonObject } from '../core/index.js';
import type { Findings } from './findings.js';

/** UTCP 0.1 provider types that have a UTCP 1.x protocol here, by the name that they have there. */
const protocols: Readonly<Record<string, string>> = {
  http: 'http',
  sse: 'sse',
  http_stream: 'streamable_http',
  streamable_http: 'streamable_http',
  websocket: 'websocket',
  cli: 'cli',
  text: 'text',
  mcp: 'mcp',
};

const renamedFields: Readonly<Record<string, string>> = {
  command_name: 'command',
  env_vars: 'environment',
  working_dir: 'working_directory',
};

/** Says whether a manual has the shape of UTCP 0.1: `version` in place of `utcp_version`, `tool_provider` in its tools. */
export function isOldManual(manual: JsonObject): boolean {
  if ('utcp_version' in manual) return false;
  return 'version' in manual || toolsOf(manual).some((tool) => isJsonObject(tool) && 'tool_provider' in tool);
}

/** Brings a UTCP 0.1 manual into the shape of 1.x. Tools keep their places, so that pointers stay true. */
export function migrateManual(manual: JsonObject, utcpVersion: string, findings: Findings): JsonObject {
  const { version, tools, name: _name, ...rest } = manual;
  findings.add(
    'info',
    'manual-migrated',
    '',
    'The manual has the shape of UTCP 0.1 and is read as 1.x.',
    'Rename version to manual_version, tool_provider to tool_call_template, and add utcp_version.',
  );
  return {
    ...rest,
    utcp_version: utcpVersion,
    ...(version === undefined ? {} : { manual_version: version }),
    ...(tools === undefined ? {} : { tools }),
  };
}

/** Brings the older names of one tool's template up to date: `tool_provider`, `provider_type`, `type`. */
export function migrateTool(tool: JsonObject, pointer: string, findings: Findings): JsonObject {
  if (isJsonObject(tool.tool_provider) && tool.tool_call_template === undefined) {
    const { tool_provider: provider, ...rest } = tool;
    return { ...rest, tool_call_template: migrateProvider(provider, `${pointer}/tool_provider`, findings) };
  }
  if (!isJsonObject(tool.tool_call_template)) return tool;
  const template = renameType(tool.tool_call_template, 'call_template_type', `${pointer}/tool_call_template`, findings);
  const { auth } = template;
  if (!isJsonObject(auth)) return { ...tool, tool_call_template: template };
  const renamed = renameType(auth, 'auth_type', `${pointer}/tool_call_template/auth`, findings);
  return { ...tool, tool_call_template: renamed === auth ? template : { ...template, auth: renamed } };
}

function migrateProvider(provider: JsonObject, pointer: string, findings: Findings): JsonObject {
  const { provider_type: type, name: _name, ...fields } = provider;
  const known = typeof type === 'string' ? protocols[type] : undefined;
  if (known === undefined) {
    findings.add(
      'error',
      'manual-provider-type',
      `${pointer}/provider_type`,
      `${JSON.stringify(type ?? null)} is no provider type that can be carried.`,
      `Use one of ${Object.keys(protocols).join(', ')}.`,
    );
  }
  const template: Record<string, Json> = { call_template_type: known ?? 'http' };
  for (const [field, value] of Object.entries(fields)) template[renamedFields[field] ?? field] = value;
  for (const field of ['auth', 'headers', 'environment']) {
    const value = template[field];
    if (value !== undefined) template[field] = braceVariables(value);
  }
  return type === 'cli' ? splitCommand(template, pointer, findings) : template;
}

// 0.1 wrote variables as `$NAME` too, which 1.x keeps only as `${NAME}`.
function braceVariables(value: Json): Json {
  if (typeof value === 'string') return value.replace(/\$([A-Za-z_]\w*)/g, '${$1}');
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([member, text]) => [member, braceVariables(text)]));
}

// 0.1 held the whole command line in one text. Words are split; quoting is a shell's work and nobody's here.
function splitCommand(template: JsonObject, pointer: string, findings: Findings): JsonObject {
  const { command } = template;
  if (typeof command !== 'string') return template;
  if (/["'`\\|&;<>()*?$]/.test(command)) {
    findings.add(
      'error',
      'manual-command-shell',
      `${pointer}/command_name`,
      'The command needs a shell to be understood.',
      'Write it as command (an absolute path) and args (one text for each argument).',
    );
  }
  const [program = '', ...args] = command.trim().split(/\s+/);
  return { ...template, command: program, ...(args.length > 0 ? { args } : {}) };
}

function renameType(value: JsonObject, name: string, pointer: string, findings: Findings): JsonObject {
  if (name in value || typeof value.type !== 'string') return value;
  const { type, ...rest } = value;
  findings.add('info', 'manual-migrated', `${pointer}/type`, `type is read as ${name}.`, `Rename it to ${name}.`);
  return { [name]: type, ...rest };
}

function toolsOf(manual: JsonObject): readonly Json[] {
  return Array.isArray(manual.tools) ? manual.tools : [];
}
