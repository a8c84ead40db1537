import { basename, isAbsolute, resolve } from 'node:path';
import { LoadError } from '../core/index.js';
import type { McpBinding, McpLaunch } from './mcp-launch.js';
import type { McpConnection } from './mcp-session.js';
import { McpStdioTransport } from './mcp-stdio.js';
import type { McpServerConfig } from './mcp-template.js';
import { digest, fill } from './mcp-variables.js';
import { prepareSandbox, type Sandbox, type SandboxOptions } from './sandbox.js';
import { noticeHiddenFiles } from './sandbox-hidden.js';
import { findSystemProgram } from './sandbox-probe.js';

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

/** Says how a server is run here, variables in place. Throws LoadError. */
export function planProcess(server: McpServerConfig, binding: McpBinding): McpLaunch {
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
      // As authored: an argument with a variable in it is not shown, nor is what it names.
      const authored = server.args ?? [];
      const pointers = authored.map((_, index) => `${binding.pointer}/args/${index}`);
      noticeHiddenFiles(authored, pointers, options, binding);
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
    ...(server.run_as && { run_as: server.run_as }),
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
