import { createHash } from 'node:crypto';
import { basename, isAbsolute, resolve } from 'node:path';
import { LoadError } from '../core/index.js';
import { compileText, type SubstitutionContext } from '../variables/index.js';
import { checkUrlAtLoad, EgressPolicy } from './egress.js';
import { createGuardedFetch } from './egress-connection.js';
import { openHttpConnection } from './mcp-http.js';
import type { McpConnection } from './mcp-session.js';
import { McpStdioTransport } from './mcp-stdio.js';
import type { McpServerConfig } from './mcp-template.js';
import type { ToolBinding } from './protocol.js';
import { prepareSandbox, type Sandbox, type SandboxOptions } from './sandbox.js';
import { findSystemProgram } from './sandbox-probe.js';
import { resolveTlsProfile } from './tls.js';

/** What a server is bound with; a tool's binding without the tool. */
export type McpBinding = Omit<ToolBinding, 'tool' | 'inputs'>;

/** A server that is ready to be connected to. */
export interface McpLaunch {
  readonly kind: 'stdio' | 'http';
  /** A short name for reports: the host and port, or the program. */
  readonly name: string;
  /** Equal for equal servers; a digest, since variables are in it. */
  readonly key: string;
  /** Values that must not be shown: of the environment, the headers, and arguments with a variable in them. */
  readonly secrets: readonly string[];
  /**
   * Checks what a connection needs and gives what makes one. Throws LoadError. Apart from the rest because it looks at
   * the host: once for all tools of a server.
   */
  prepare(): () => McpConnection;
}

const mebibyte = 1_048_576;

/** The limits of a server that names none. It runs for good, so that processor time has no bound. */
const defaultServerLimits = {
  memory_bytes: 1_024 * mebibyte,
  // JavaScript and WebAssembly engines reserve far more addresses than they use.
  address_space_bytes: 1_048_576 * mebibyte,
  processes: 256,
  open_files: 1_024,
  file_bytes: 256 * mebibyte,
  tmp_bytes: 256 * mebibyte,
};

const baseEnvironment = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '/tmp', LANG: 'C.UTF-8' };

/** Puts the variables into a server's configuration and says how to connect to it. Throws LoadError. */
export function planLaunch(server: McpServerConfig, binding: McpBinding): McpLaunch {
  return server.url === undefined ? planProcess(server, binding) : planRemote(server, server.url, binding);
}

function planProcess(server: McpServerConfig, binding: McpBinding): McpLaunch {
  const options = toSandboxOptions(server, binding);
  const args = (server.args ?? []).map((arg, index) => fill(arg, 'argv', binding, `/args/${index}`));
  const maxBytes = binding.settings.max_response_bytes;
  return {
    kind: 'stdio',
    name: basename(options.command),
    key: digest('stdio', options, args, maxBytes),
    secrets: [
      ...Object.keys(server.env ?? {}).map((name) => options.environment[name] ?? ''),
      ...args.filter((arg, index) => arg !== server.args?.[index]),
    ],
    prepare: () => {
      const sandbox = prepareSandbox(options, { file: binding.file, pointer: binding.pointer });
      return () => openProcess(sandbox, args, maxBytes);
    },
  };
}

function openProcess(sandbox: Sandbox, args: readonly string[], maxBytes: number): McpConnection {
  const transport = new McpStdioTransport(sandbox, args, maxBytes);
  return {
    transport,
    kill: () => transport.kill(),
    close: () => transport.close(),
    diagnosis: () => transport.stderr,
  };
}

function toSandboxOptions(server: McpServerConfig, binding: McpBinding): SandboxOptions {
  const toPath = (path: string): string => resolve(binding.base_dir, fill(path, 'plain', binding, ''));
  const environment = Object.entries(server.env ?? {}).map(
    ([name, value]) => [name, fill(value, 'plain', binding, `/env/${name}`)] as const,
  );
  return {
    sandbox: binding.settings.sandbox,
    command: findCommand(fill(server.command ?? '', 'plain', binding, '/command'), binding),
    environment: { ...baseEnvironment, ...Object.fromEntries(environment) },
    limits: { ...defaultServerLimits, ...server.limits },
    network: server.network ?? 'none',
    read_only_paths: (server.read_only_paths ?? []).map(toPath),
    writable_paths: (server.writable_paths ?? []).map(toPath),
    ...(server.cwd !== undefined && { working_directory: toPath(server.cwd) }),
  };
}

// A bare name is looked up in the system's folders, never through PATH.
function findCommand(command: string, binding: McpBinding): string {
  if (isAbsolute(command)) return command;
  const found = command.includes('/') ? resolve(binding.base_dir, command) : findSystemProgram(command);
  if (found !== undefined) return found;
  throw LoadError.of({
    rule: 'command-missing',
    file: binding.file,
    pointer: `${binding.pointer}/command`,
    message: `${command} is in none of the system's program folders.`,
    mend: 'Install it, or write the absolute path of the command.',
  });
}

function planRemote(server: McpServerConfig, authored: string, binding: McpBinding): McpLaunch {
  const policy = new EgressPolicy(binding.settings.allow_private_hosts);
  const place = { file: binding.file, pointer: `${binding.pointer}/url` };
  const url = checkUrlAtLoad(fill(authored, 'url_path', binding, '/url'), policy, place);
  const headers = Object.fromEntries(
    Object.entries(server.headers ?? {}).map(([name, value]) => [
      name,
      fill(value, 'header', binding, `/headers/${name}`),
    ]),
  );
  const tls = resolveTlsProfile(url.hostname, server.verify_ssl ?? true, { ...binding, tool: '', inputs: {} });
  const maxBytes = binding.settings.max_response_bytes;
  return {
    kind: 'http',
    name: url.host,
    key: digest('http', url.href, headers, policy.key, tls.key, maxBytes),
    secrets: Object.values(headers),
    prepare: () => () => openRemote(url, headers, maxBytes, createGuardedFetch({ policy, tls })),
  };
}

function openRemote(
  url: URL,
  headers: Readonly<Record<string, string>>,
  maxBytes: number,
  guarded: ReturnType<typeof createGuardedFetch>,
): McpConnection {
  const connection = openHttpConnection({ url, headers, maxBytes, guarded });
  return {
    transport: connection.transport,
    kill: () => connection.kill(),
    close: () => connection.close(),
    diagnosis: () => '',
  };
}

// A server is shared by many calls: no argument of one can stand in its configuration.
function fill(text: string, context: SubstitutionContext, binding: McpBinding, pointer: string): string {
  const { variables, file } = binding;
  const compiled = compileText(text, { context, inputs: {}, variables, file, pointer: binding.pointer + pointer });
  return compiled.constant ?? '';
}

function digest(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
