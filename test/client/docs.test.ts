import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Client } from '../../src/client/index.js';
import * as publicClient from '../../src/client/index.js';
import { makeManual, startManualServer } from '../support/manual-server.js';

const root = join(import.meta.dirname, '../..');
const read = (page: string) => readFileSync(join(root, 'docs', page), 'utf8');

/** Loads the first TypeScript block of a page as a module of its own, with the package's name standing for its source. */
async function loadExample(page: string): Promise<Record<string, unknown>> {
  const [, code = ''] = /^```ts\n(.*?)^```$/ms.exec(read(page)) ?? [];
  const folder = join(root, 'var', `docs-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, page.replace('.md', '.ts'));
  writeFileSync(file, code.replaceAll("'utcp-gatehouse/client'", "'../../src/client/index.js'"));
  return import(file);
}

describe('docs/client.md', () => {
  it('its example runs', async () => {
    const { orderBook } = await loadExample('client.md');
    const server = await startManualServer(({ url, body }, origin) =>
      url.startsWith('/tools')
        ? { body: { created: JSON.parse(body).book.title } }
        : {
            body: makeManual([
              {
                name: 'create_book',
                inputs: {
                  type: 'object',
                  properties: { body: { type: 'object', required: ['book'] } },
                  required: ['body'],
                },
                tool_call_template: {
                  call_template_type: 'http',
                  http_method: 'POST',
                  url: `${origin}/tools/books/create_book`,
                  body_field: 'body',
                },
              },
            ]),
          },
    );
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    const pins = join(root, 'pins.json');
    onTestFinished(() => rmSync(pins, { force: true }));
    if (typeof orderBook !== 'function') throw new Error('The example exports no function.');
    expect(await orderBook(server.url, 'k')).toEqual({ created: 'Emma' });
    expect(log).toHaveBeenCalledWith(['create_book: A tool']);
    expect(server.seen[0]?.url).toBe('/utcp?q=add+a+book&limit=5');
  });

  it('names every option', () => {
    const source = readFileSync(join(root, 'src/client/options.ts'), 'utf8');
    const [, body = ''] = /export interface ClientOptions \{(.*?)^\}/ms.exec(source) ?? [];
    const options = [...body.matchAll(/readonly (\w+)\??:/g)].map((match) => match[1] ?? '');
    expect(options.length).toBeGreaterThan(15);
    expect(options.filter((option) => !read('client.md').includes(`\`${option}\``))).toEqual([]);
  });

  it('names every error class, and no other', () => {
    const classes = Object.keys(publicClient).filter((name) => name.endsWith('Error') && name !== 'ToolError');
    const table = [...read('client.md').matchAll(/^\| `(\w+Error)` +\|/gm)].map((match) => match[1] ?? '');
    expect(table.sort()).toEqual(classes.sort());
  });
});

describe('docs/signing.md', () => {
  it('its example accepts a reviewed change and nothing else', async () => {
    const { discoverReviewed } = await loadExample('signing.md');
    if (typeof discoverReviewed !== 'function') throw new Error('The example exports no function.');
    let description = 'A';
    const server = await startManualServer(() => ({ body: makeManual([{ name: 'a', description }]) }));
    const client: Client = publicClient.createClient({ url: server.url });
    onTestFinished(() => client.close());
    await client.discover();
    description = 'B';
    await expect(discoverReviewed(client, async () => false)).rejects.toBeInstanceOf(publicClient.ManualChangedError);
    expect(await discoverReviewed(client, async () => true)).toMatchObject({ tools: [{ description: 'B' }] });
  });
});
