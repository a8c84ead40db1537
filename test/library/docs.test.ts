import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectOfficial, statusOf } from '../support/official-client.js';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/library.md'), 'utf8');

/** The first TypeScript block of the page as a module of its own, with the package's name standing for its source. */
async function loadExample(): Promise<{ buildApp(sha256: string): Promise<FastifyInstance> }> {
  const [, code = ''] = /^```ts\n(.*?)^```$/ms.exec(page) ?? [];
  const folder = join(root, 'var', `library-docs-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'example.ts');
  writeFileSync(file, code.replaceAll("'utcp-gatehouse'", "'../../src/index.js'"));
  return import(file);
}

function keysOf(file: string, name: string): readonly string[] {
  const [, body = ''] =
    new RegExp(`export interface ${name}[^{]*\\{(.*?)^\\}`, 'ms').exec(readFileSync(join(root, file), 'utf8')) ?? [];
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map((match) => match[1] ?? '');
}

describe('docs/library.md', () => {
  it('its example runs, and an official client calls it', async () => {
    const { buildApp } = await loadExample();
    const app = await buildApp(createHash('sha256').update('k').digest('hex'));
    onTestFinished(() => app.close());
    const url = await app.listen({ port: 0 });
    expect(await (await fetch(url)).text()).toBe('The shop itself.');
    const alice = await connectOfficial(`${url}/agents`, { bearer: 'k' });
    expect(await alice.call('count_books', { title: 'Emma' })).toEqual({ copies: 3 });
    const refusal = await alice.call('count_books', { title: 'Ulysses' }).catch((error: unknown) => error);
    expect(statusOf(refusal)).toBe(400);
  });

  it.each([
    ['src/library/plugin.ts', 'GatehouseOptions'],
    ['src/library/tool.ts', 'ToolDefinition'],
    ['src/core/local-tool.ts', 'LocalContext'],
  ])('names every key of %s, %s', (file, name) => {
    const keys = keysOf(file, name);
    expect(keys.length).toBeGreaterThan(3);
    expect(keys.filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
  });
});
