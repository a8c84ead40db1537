import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** One line of a log, one character a byte, without its line feed. */
export interface LogLine {
  readonly file: string;
  /** Counted from 1. */
  readonly number: number;
  readonly text: string;
  /** False for what stands after the last line feed of a file. */
  readonly ended: boolean;
}

/** The files of a rotated log, oldest first. */
function listLogFiles(path: string): readonly string[] {
  const name = `${basename(path)}.`;
  const ages = readdirSync(dirname(path))
    .filter((entry) => entry.startsWith(name) && /^[1-9]\d*$/.test(entry.slice(name.length)))
    .map((entry) => Number(entry.slice(name.length)))
    .sort((a, b) => b - a);
  const rotated = ages.map((age) => join(dirname(path), `${name}${age}`));
  return existsSync(path) || rotated.length === 0 ? [...rotated, path] : rotated;
}

/**
 * Reads the lines of a log across its rotated files. Lines end at a line feed and nowhere else, so that no other
 * character that some readers take for a line's end can hide a change.
 */
export async function* readLogLines(path: string): AsyncGenerator<LogLine> {
  for (const file of listLogFiles(path)) {
    let number = 0;
    let rest = '';
    for await (const chunk of createReadStream(file, { encoding: 'latin1' })) {
      const pieces = `${rest}${chunk}`.split('\n');
      rest = pieces.pop() ?? '';
      for (const text of pieces) yield { file, number: ++number, text, ended: true };
    }
    if (rest !== '') yield { file, number: ++number, text: rest, ended: false };
  }
}
