import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { LoadError } from '../core/index.js';
import type { ProcessUser, SandboxPlace } from './sandbox-options.js';

// Looked up in the system's own folders and never through PATH, which whoever starts the server may have set.
const systemFolders: readonly string[] = ['/usr/bin', '/bin', '/usr/local/bin', '/usr/sbin', '/sbin'];
// `--disable-userns`, `--size` and `--clearenv`; Debian 12 and Ubuntu 24.04 carry it.
const oldestBubblewrap = [0, 8] as const;
const probeTimeoutMs = 10_000;
// What was asked or tried once and held need not be for each tool and each reload.
const newEnough = new Set<string>();
const proven = new Set<string>();

/** The absolute path of a system program, or undefined when it is not installed. */
export function findSystemProgram(name: string, folders = systemFolders): string | undefined {
  return folders.map((folder) => `${folder}/${name}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Missing or not executable: both mean that it can't be used.
    return false;
  }
}

/** The absolute path of a bubblewrap that is new enough. Throws LoadError that says how to install it. */
export function requireBubblewrap(place: SandboxPlace, folders = systemFolders): string {
  const bubblewrap = findSystemProgram('bwrap', folders);
  if (!bubblewrap) {
    throw sandboxError(place, 'sandbox-missing', 'The sandbox is required and bubblewrap is not installed.', install);
  }
  if (newEnough.has(bubblewrap)) return bubblewrap;
  const version = /(\d+)\.(\d+)/.exec(spawnSync(bubblewrap, ['--version'], { encoding: 'utf8', env: {} }).stdout ?? '');
  const [major, minor] = [Number(version?.[1] ?? 0), Number(version?.[2] ?? 0)];
  if (major === oldestBubblewrap[0] && minor < oldestBubblewrap[1]) {
    throw sandboxError(place, 'sandbox-too-old', `bubblewrap ${major}.${minor} is older than 0.8.`, install);
  }
  newEnough.add(bubblewrap);
  return bubblewrap;
}

/** The absolute path of a program that limits need. Throws LoadError that says how to install it. */
export function requireLimitProgram(name: 'prlimit' | 'timeout', place: SandboxPlace, folders = systemFolders): string {
  const found = findSystemProgram(name, folders);
  if (found) return found;
  const mend = `Install it (apt-get install ${name === 'prlimit' ? 'util-linux' : 'coreutils'}).`;
  throw sandboxError(place, `${name}-missing`, `Limits need ${name}, and it is not installed.`, mend);
}

export interface SandboxProbe {
  readonly bubblewrap: string;
  /** bubblewrap's options, each ended by NUL. */
  readonly options: Buffer;
  /** The command line of the limits, up to where the program's own begins. */
  readonly wrapper: readonly string[];
  readonly command: string;
  readonly user: ProcessUser | undefined;
}

/**
 * Builds the sandbox once and asks in it whether the program can be executed, so that a host without user namespaces,
 * an unreadable directory or a limit above the host's own fails the load and not the first call. Throws LoadError.
 */
export function proveSandbox(probe: SandboxProbe, key: string, place: SandboxPlace): void {
  if (proven.has(key)) return;
  const result = spawnSync(
    probe.bubblewrap,
    ['--args', '0', '--', ...probe.wrapper, '/usr/bin/test', '-x', probe.command],
    { input: probe.options, env: {}, cwd: '/', timeout: probeTimeoutMs, encoding: 'utf8', ...probe.user },
  );
  if (result.status === 0) {
    proven.add(key);
    return;
  }
  const said = result.stderr?.trim().split('\n')[0] || result.error?.message;
  throw said
    ? sandboxError(place, 'sandbox-unusable', `The sandbox cannot be built: ${said}`, unusable)
    : sandboxError(
        place,
        'command-unreachable',
        `${probe.command} cannot be executed inside the sandbox.`,
        'Make it and the folders above it readable for the unprivileged user, or name what it needs in read_only_paths.',
      );
}

const install =
  'Install it (apt-get install bubblewrap), or set sandbox: none for this manual if you trust its programs.';
const unusable =
  'Allow unprivileged user namespaces on this host and make the bound folders readable for the unprivileged user, or set sandbox: none for this manual if you trust its programs.';

/** A load error about the sandbox of one template. */
export function sandboxError(place: SandboxPlace, rule: string, message: string, mend: string): LoadError {
  return LoadError.of({ rule, file: place.file, pointer: place.pointer, message, mend });
}
