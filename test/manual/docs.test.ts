import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { manualEntrySchema } from '../../src/manual/config.js';
import { lintText } from '../../src/manual/lint/lint.js';
import { loadManual } from '../../src/manual/load.js';
import { memoryIo } from './entry.js';

const root = join(import.meta.dirname, '../..');
const page = (name: string) => readFileSync(join(root, 'docs', name), 'utf8');
const examplesOf = (text: string) => [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, code = '']) => code);

/** Loads a page's first example, a configuration, with its second as the source that it names. */
async function loadExample(name: string) {
  const [config = '', source = ''] = examplesOf(page(name));
  const { manuals } = z.strictObject({ manuals: z.array(manualEntrySchema).length(1) }).parse(parse(config));
  const [entry] = manuals;
  if (!entry) throw new Error('no entry');
  return { entry, source, loaded: await loadManual(entry, '/', memoryIo({ [join('/', entry.source)]: source })) };
}

describe('the examples of the pages', () => {
  it('manuals.md: the manual loads without a notice and lints clean', async () => {
    const { source, loaded } = await loadExample('manuals.md');
    expect(loaded.notices).toEqual([]);
    expect(lintText(source, 'books.yaml').findings).toEqual([]);
  });

  it('openapi.md: the document becomes the tool that the page describes', async () => {
    const { loaded } = await loadExample('openapi.md');
    expect(loaded.manual).toMatchObject({
      manual_version: '1.4.0',
      tools: [
        {
          name: 'getBook',
          tags: ['books', 'read'],
          tool_call_template: { url: 'https://api.example/v1/books/{id}', auth: { api_key: '${API_SHOP_KEY}' } },
        },
      ],
    });
  });
});

describe('the rules of the loader', () => {
  const sources = (folder: string) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(join(root, folder, file), 'utf8'));
  const named = (texts: readonly string[], prefix: string) =>
    new Set(
      texts.flatMap((text) => [...text.matchAll(new RegExp(`'(${prefix}-[a-z-]+)'`, 'g'))].map(([, id = '']) => id)),
    );

  it('of OpenAPI documents all stand in openapi.md, and no others do', () => {
    const rules = named(sources('src/manual/openapi'), 'openapi');
    const told = new Set([...page('openapi.md').matchAll(/`(openapi-[a-z-]+)`/g)].map(([, id]) => id));
    expect([...told].sort()).toEqual([...rules].sort());
  });

  it('of manuals all stand in manuals.md', () => {
    const texts = ['authored.ts', 'load.ts', 'migration.ts', 'document.ts', 'yaml-text.ts'].map((file) =>
      readFileSync(join(root, 'src/manual', file), 'utf8'),
    );
    for (const prefix of ['manual', 'tool', 'document']) {
      for (const rule of named(texts, prefix)) expect(page('manuals.md')).toContain(`\`${rule}\``);
    }
  });

  it('kinds of changes all stand in diff.md', () => {
    const [, union = ''] =
      /export type ChangeKind =([^;]*);/.exec(readFileSync(join(root, 'src/manual/diff.ts'), 'utf8')) ?? [];
    const kinds = [...union.matchAll(/'([a-z-]+)'/g)].map(([, kind = '']) => kind);
    expect(kinds.length).toBeGreaterThan(10);
    for (const kind of kinds) expect(page('diff.md')).toContain(`\`${kind}\``);
  });
});
