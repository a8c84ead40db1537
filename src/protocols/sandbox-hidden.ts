import { statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { Finding } from '../core/index.js';
import { isInside } from './path.js';
import type { ToolBinding } from './protocol.js';
import { shownPaths } from './sandbox-mounts.js';
import type { SandboxOptions, SandboxPlace } from './sandbox-options.js';

// There in every sandbox, though not the host's.
const own = ['/proc', '/dev'];

/**
 * Warns of each argument that names a file which the sandbox hides. `pointers` says where the arguments stand; those of
 * the binding are the author's own, with nothing put in.
 */
export function noticeHiddenFiles(
  args: readonly string[],
  pointers: readonly string[],
  options: SandboxOptions,
  { file, pointer, base_dir, notice }: Pick<ToolBinding, 'file' | 'pointer' | 'base_dir' | 'notice'>,
): void {
  for (const [index, arg] of args.entries()) {
    const hidden = findHiddenFile(arg, options, base_dir, { file, pointer: pointers[index] ?? pointer });
    if (hidden) notice(hidden);
  }
}

/**
 * A warning for an argument that names a file of the host which the program will not find in its sandbox: it would
 * start and end at once, far from the line that has to be mended. `base_dir` is what the author of a relative path meant.
 * Undefined for an argument that is no such file.
 */
function findHiddenFile(
  arg: string,
  options: SandboxOptions,
  base_dir: string,
  place: SandboxPlace,
): Finding | undefined {
  if (options.sandbox === 'none') return undefined;
  const path = resolve(options.working_directory ?? base_dir, arg);
  if (!isThere(path, arg) || path === '/' || path === '/tmp') return undefined;
  if (isInside(path, [...shownPaths(options), ...own])) return undefined;
  return {
    rule: 'sandbox-hides-file',
    severity: 'warning',
    ...place,
    message: `The argument names ${path}, which the sandbox does not show to the program.`,
    mend: `Name the folder that it needs in read_only_paths${isAbsolute(arg) ? '' : ', and the file by its whole path'}.`,
  };
}

/** A relative argument is a path only where it is a file: any word may be the name of a folder. */
function isThere(path: string, arg: string): boolean {
  try {
    return statSync(path).isFile() || isAbsolute(arg);
  } catch {
    // No such file, or a text that is no path at all.
    return false;
  }
}
