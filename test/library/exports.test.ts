import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const source = join(import.meta.dirname, '../../src');

/** Every line of the sources that declares an exported name, with the line above it. */
const declarations = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) => {
    const lines = readFileSync(join(source, file), 'utf8').split('\n');
    return lines.map((line, index) => ({ line, above: lines[index - 1] ?? '' }));
  })
  .filter(({ line }) => /^export (async |abstract )*(function|class|interface|type|const) /.test(line));

function exportsOf(entry: string): readonly string[] {
  const text = readFileSync(join(source, entry), 'utf8').replace(/\/\*.*?\*\//gs, '');
  const lists = [...text.matchAll(/export (?:type )?\{(.*?)\} from/gs)].map(([, list = '']) => list);
  return lists.flatMap((list) => [...list.matchAll(/\w+(?=,|\s*$)/g)].map(([name]) => name));
}

describe('what the package exports', () => {
  it.each(['index.ts', 'client/index.ts'])('says what it is for, each name of %s', (entry) => {
    const names = exportsOf(entry);
    expect(names.length).toBeGreaterThan(10);
    const bare = names.filter((name) => {
      const own = declarations.filter(({ line }) => new RegExp(`\\b${name}\\b`).test(line.split(/[(={<]/)[0] ?? ''));
      return own.length === 0 || !own.some(({ above }) => above.trim().endsWith('*/'));
    });
    expect(bare).toEqual([]);
  });
});
