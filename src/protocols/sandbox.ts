import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { isKernelPath } from './path.js';
import { sandboxMounts } from './sandbox-mounts.js';
import { type ProcessUser, type SandboxOptions, type SandboxPlace, unprivilegedUser } from './sandbox-options.js';
import {
  findSystemProgram,
  proveSandbox,
  requireBubblewrap,
  requireLimitProgram,
  sandboxError,
} from './sandbox-probe.js';
import { type SandboxedProcess, watchBubblewrap, watchProcess } from './sandbox-process.js';

export * from './sandbox-options.js';
export type { ProcessExit, SandboxedProcess } from './sandbox-process.js';

/** How one run's standard streams are connected; `ignore` is /dev/null. */
export interface ProcessStreams {
  readonly stdin: 'ignore' | 'pipe';
  readonly stdout: 'ignore' | 'pipe';
  readonly stderr: 'ignore' | 'pipe';
}

/** A program whose sandbox is checked and computed; each `spawn` is one run. */
export interface Sandbox {
  spawn(args: readonly string[], streams: ProcessStreams): SandboxedProcess;
}

// How many programs run side by side at most; without a user namespace the process limit is one for all of them.
const unsandboxedProcessFactor = 64;

/**
 * Checks and computes all that the runs of one program share. With `sandbox: required` the program runs in bubblewrap:
 * own user, process, network, mount, IPC and host name namespaces, no capability, a read-only file tree, a private
 * /tmp. With `none` it runs on the host, as `run_as` where Gatehouse is root, under the same limits. Throws LoadError
 * when the program or a path is missing, or when a required sandbox cannot be built.
 */
export function prepareSandbox(options: SandboxOptions, place: SandboxPlace): Sandbox {
  requirePaths(options, place);
  const user = chooseUser(options.run_as, place);
  return options.sandbox === 'required' ? prepareBubblewrap(options, user, place) : prepareHost(options, user, place);
}

function requirePaths(options: SandboxOptions, place: SandboxPlace): void {
  requirePath(options.command, place);
  const folders = [options.working_directory, ...(options.read_only_paths ?? []), ...(options.writable_paths ?? [])];
  for (const path of folders) if (path !== undefined) requireShowable(path, place);
}

function requirePath(path: string, place: SandboxPlace): void {
  if (!isAbsolute(path)) {
    throw sandboxError(place, 'path-relative', `${path} is not an absolute path.`, 'Write the whole path.');
  }
  if (!existsSync(path)) {
    throw sandboxError(place, 'path-missing', `${path} does not exist.`, 'Create it or correct the path.');
  }
}

// Shown in a sandbox, the host's root or /proc would undo it: other processes, their environments, every file.
function requireShowable(path: string, place: SandboxPlace): void {
  requirePath(path, place);
  const real = realpathSync(path);
  if (real !== '/' && !isKernelPath(real)) return;
  const mend = 'Name the narrowest folder that the program needs.';
  throw sandboxError(place, 'path-too-broad', `${path} must not be shown to a program.`, mend);
}

/** Who the program is on the host; undefined: who Gatehouse is. Never root. */
function chooseUser(wanted: ProcessUser | undefined, place: SandboxPlace): ProcessUser | undefined {
  const own = process.getuid?.();
  if (wanted?.uid === 0 || wanted?.gid === 0) {
    const mend = 'Name an unprivileged user and group.';
    throw sandboxError(place, 'run-as-root', 'run_as is root, which a program must not be.', mend);
  }
  if (own === 0) return wanted ?? unprivilegedUser;
  if (wanted && (wanted.uid !== own || wanted.gid !== process.getgid?.())) {
    const mend = 'Take run_as out, or start Gatehouse as root.';
    throw sandboxError(place, 'run-as-not-root', 'run_as names another user, and Gatehouse is not root.', mend);
  }
  return undefined;
}

function prepareBubblewrap(options: SandboxOptions, user: ProcessUser | undefined, place: SandboxPlace): Sandbox {
  if (process.platform !== 'linux') {
    const mend = 'Run it on Linux, or set sandbox: none for this manual if you trust its programs.';
    throw sandboxError(place, 'sandbox-missing', 'The sandbox is required and bubblewrap needs Linux.', mend);
  }
  const bubblewrap = requireBubblewrap(place);
  const limits = limitCommand(options, options.limits.processes, place);
  const wrapper = [...limits, ...endAfter(options.lifetime_ms ?? 0, place)];
  const { environment: _, ...shown } = options;
  const bare = terminate(sandboxMounts({ ...shown, environment: {} }));
  const probe = { bubblewrap, options: bare, wrapper, command: options.command, user };
  proveSandbox(probe, JSON.stringify([bare.toString(), wrapper, options.command, user]), place);
  // Options go through a pipe: on the command line, every user of the host could read the environment's values.
  const mounts = terminate(sandboxMounts(options));
  const prefix = ['--args', '3', '--json-status-fd', '4', '--', ...wrapper, options.command];
  return {
    spawn: (args, streams) => {
      const stdio = [streams.stdin, streams.stdout, streams.stderr, 'pipe' as const, 'pipe' as const];
      const child = spawn(bubblewrap, [...prefix, ...args], { env: {}, cwd: '/', stdio, detached: true, ...user });
      return watchBubblewrap(child, mounts);
    },
  };
}

function prepareHost(options: SandboxOptions, user: ProcessUser | undefined, place: SandboxPlace): Sandbox {
  // Outside Linux there is no prlimit; docs/sandbox.md says that no limit but time and output holds there.
  const processes = options.limits.processes && options.limits.processes * unsandboxedProcessFactor;
  const limits = process.platform === 'linux' ? limitCommand(options, processes, place) : [];
  const line = [...limits, ...dieWithParent(), options.command];
  const [program = options.command, ...prefix] = line;
  const env = { ...options.environment };
  const cwd = options.working_directory ?? '/tmp';
  return {
    spawn: (args, streams) => {
      const stdio = [streams.stdin, streams.stdout, streams.stderr];
      return watchProcess(spawn(program, [...prefix, ...args], { env, cwd, stdio, detached: true, ...user }));
    },
  };
}

/**
 * Ends the program when this server is killed, as bubblewrap does; where setpriv is missing its closed input must do. Right
 * before the program, for it is the executed process alone that the kernel remembers this of.
 */
function dieWithParent(): readonly string[] {
  const setpriv = findSystemProgram('setpriv');
  return setpriv ? [setpriv, '--pdeathsig', 'KILL', '--'] : [];
}

function endAfter(lifetimeMs: number, place: SandboxPlace): readonly string[] {
  // timeout takes 0 for ever. Unlike prlimit it tells a program that cannot be executed (126, 127) from one that failed.
  return [requireLimitProgram('timeout', place), '-s', 'KILL', String(Math.ceil(lifetimeMs / 1000))];
}

function limitCommand(options: SandboxOptions, processes: number | undefined, place: SandboxPlace): readonly string[] {
  const { limits } = options;
  const values: readonly (readonly [string, number | undefined])[] = [
    ['core', 0],
    ['cpu', limits.cpu_seconds],
    ['data', limits.memory_bytes],
    ['as', limits.address_space_bytes ?? limits.memory_bytes],
    ['nproc', processes],
    ['nofile', limits.open_files],
    ['fsize', limits.file_bytes],
  ];
  const stated = values.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
  return [requireLimitProgram('prlimit', place), ...stated, '--'];
}

function terminate(options: readonly string[]): Buffer {
  return Buffer.from(options.map((option) => `${option}\0`).join(''));
}
