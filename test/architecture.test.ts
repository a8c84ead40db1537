import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../src');

/** Who may import whom (docs/architecture.md); a folder may always import itself. */
const allowed: Record<string, readonly string[]> = {
  core: [],
  files: [],
  example: [],
  schema: ['core'],
  signing: ['core'],
  manual: ['core', 'schema'],
  auth: ['core', 'files'],
  access: ['core'],
  limits: ['core', 'files'],
  variables: ['core'],
  events: ['core'],
  protocols: ['core', 'schema', 'variables'],
  pipeline: ['core', 'schema', 'auth', 'access', 'limits', 'manual', 'protocols', 'variables', 'events'],
  routes: ['core', 'signing', 'pipeline', 'auth', 'access', 'limits', 'manual', 'protocols', 'variables', 'events'],
  config: ['core', 'signing', 'auth', 'access', 'limits', 'manual', 'protocols', 'variables', 'events'],
  library: ['core', 'schema', 'manual', 'events', 'config', 'server'],
  client: ['core', 'schema', 'signing', 'protocols', 'variables'],
};
const knowsFastify = ['server', 'routes', 'pipeline', 'index', 'library'];

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
  it.each(Object.keys(allowed))('%s imports only the rooms below it', (folder) => {
    const offences = sources(join(root, folder)).flatMap((file) =>
      imports(file)
        .filter((target) => target.startsWith('.'))
        .map((target) => room(join(file, '..', target.replace(/\.js$/, '.ts'))))
        .filter((target) => target !== folder && !allowed[folder]?.includes(target))
        .map((target) => `${relative(root, file)} imports ${target}`),
    );
    expect(offences).toEqual([]);
  });

  it('only the server, the routes and the pipeline know Fastify', () => {
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
