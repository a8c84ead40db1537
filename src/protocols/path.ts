import { relative, sep } from 'node:path';

/** Whether a path is one of the directories or below one. Compares text: both sides must be absolute and resolved. */
export function isInside(path: string, directories: readonly string[]): boolean {
  return directories.some((directory) => {
    const rest = relative(directory, path);
    return rest === '' || (rest !== '..' && !rest.startsWith(`..${sep}`));
  });
}
