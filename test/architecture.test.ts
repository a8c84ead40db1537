import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../src');

/** Who may import whom, as docs/architecture.md has it; a folder may always import itself. */
const table = readFileSync(join(import.meta.dirname, '../docs/architecture.md'), 'utf8');
const rows = [...table.matchAll(/^\| `(\w+)` +\|[^|]*\| ([^|]*?) +\|$/gm)];
const allowed = new Map(
  rows.map(([, folder = '', rooms = '']) => [folder, rooms === 'nothing' ? [] : rooms.split(', ')]),
);
const bounded = [...allowed.keys()].filter((folder) => folder !== 'cli');
const knowsFastify = ['server', 'routes', 'pipeline', 'library'];

function sources(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
}

function imports(file: string): readonly string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
}

function room(file: string): string {
  return relative(root, file).split(sep)[0]?.replace(/\.ts$/, '') ?? '';
}

describe('the house', () => {
  it('has the rooms that docs/architecture.md has', () => {
    const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect([...allowed.keys()].sort()).toEqual(folders.map(({ name }) => name).sort());
  });

  it.each(bounded)('%s imports only the rooms below it', (folder) => {
    const offences = sources(join(root, folder)).flatMap((file) =>
      imports(file)
        .filter((target) => target.startsWith('.'))
        .map((target) => room(join(file, '..', target.replace(/\.js$/, '.ts'))))
        .filter((target) => target !== folder && !allowed.get(folder)?.includes(target))
        .map((target) => `${relative(root, file)} imports ${target}`),
    );
    expect(offences).toEqual([]);
  });

  it('only the server, the routes, the pipeline and the library know Fastify', () => {
    const offences = sources(root)
      .filter((file) => !knowsFastify.includes(room(file)))
      .filter((file) => imports(file).some((target) => target === 'fastify' || target.startsWith('@fastify/')));
    expect(offences.map((file) => relative(root, file))).toEqual([]);
  });

  it('core imports no package', () => {
    const offences = sources(join(root, 'core')).flatMap((file) =>
      imports(file).filter((target) => !target.startsWith('.')),
    );
    expect(offences).toEqual([]);
  });
});
