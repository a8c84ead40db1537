import { realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { relative, resolve, sep } from 'node:path';
import { type Finding, LoadError } from '../core/index.js';

/** Whether a path is one of the directories or below one. Compares text: both sides must be absolute and resolved. */
export function isInside(path: string, directories: readonly string[]): boolean {
  return directories.some((directory) => {
    const rest = relative(directory, path);
    return rest === '' || (rest !== '..' && !rest.startsWith(`..${sep}`));
  });
}

// Files there are windows into the kernel and its processes: /proc/self/environ holds the server's own secrets.
const kernelDirectories = ['/proc', '/sys', '/dev'];
const broadDirectories = ['/etc', '/home', '/mnt', '/opt', '/root', '/srv', '/tmp', '/usr', '/Users', '/var'];

/** Whether a resolved path leads into the kernel's own file systems, which no template may read. */
export function isKernelPath(path: string): boolean {
  return isInside(path, kernelDirectories);
}

/** Where a path stands in a document. */
export interface PathPlace {
  readonly file: string;
  readonly pointer: string;
}

/**
 * Resolves a directory that a template names: absolute, without symbolic links. Throws LoadError when it is missing,
 * no directory, or one of the kernel's.
 */
export function resolveDirectory(directory: string, baseDir: string, place: PathPlace): string {
  const real = realDirectory(resolve(baseDir, directory));
  if (real === undefined) {
    throw LoadError.of({
      rule: 'directory-missing',
      ...place,
      message: `${directory} is no directory that can be read.`,
      mend: 'Create it or correct the path.',
    });
  }
  if (isKernelPath(real)) {
    throw LoadError.of({
      rule: 'directory-kernel',
      ...place,
      message: `${directory} belongs to the kernel; its files tell the secrets of every process.`,
      mend: 'Name a directory of your own.',
    });
  }
  return real;
}

function realDirectory(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    return statSync(real).isDirectory() ? real : undefined;
  } catch {
    // Missing or out of reach: the caller says so.
    return undefined;
  }
}

/** A warning when a resolved directory holds far more than one tool's files; undefined when it does not. */
export function findBroadDirectory(directory: string, place: PathPlace): Finding | undefined {
  if (!broadDirectories.includes(directory) && !isInside(homedir(), [directory])) return undefined;
  return {
    rule: 'directory-broad',
    severity: 'warning',
    ...place,
    message: `${directory} holds far more than the files of one tool.`,
    mend: 'Name the narrowest directory that holds them.',
  };
}
