import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadManual } from '../../../src/manual/load.js';
import { entryOf } from '../entry.js';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-reference-'));
  await mkdir(join(folder, 'api/schemas'), { recursive: true });
  await writeFile(join(folder, 'outside.json'), '{"Thing":{"type":"string"}}');
  await writeFile(join(folder, 'api/more.json'), '{"Other":{"type":"integer"}}');
  await writeFile(join(folder, 'api/twice.json'), '{"a":1,"a":2}');
  await writeFile(
    join(folder, 'api/schemas/thing.yaml'),
    'Thing:\n  type: object\n  required: [next]\n  properties:\n    next: {$ref: "#/Thing"}\n    other: {$ref: "../more.json#/Other"}\n',
  );
  await symlink(join(folder, 'outside.json'), join(folder, 'api/link.json'));
});

afterAll(() => rm(folder, { recursive: true }));

async function load(reference: string) {
  const schema = { $ref: reference };
  const paths = { '/a': { get: { responses: { 200: { content: { 'application/json': { schema } } } } } } };
  const document = { openapi: '3.0.0', info: {}, servers: [{ url: 'https://api.example' }], paths };
  await writeFile(join(folder, 'api/openapi.json'), JSON.stringify(document));
  return loadManual(entryOf({ source: 'openapi.json' }), join(folder, 'api'));
}

describe('references to other files', () => {
  it('are followed inside the folder of the document, cycles and all', async () => {
    const { manual } = await load('schemas/thing.yaml#/Thing');
    expect(manual.tools[0]?.outputs).toMatchObject({
      type: 'object',
      required: ['next'],
      properties: { other: { type: 'integer' } },
    });
    expect(JSON.stringify(manual.tools[0]?.outputs)).toContain('#/$defs/');
  });

  it('are part of the digest', async () => {
    const before = (await load('more.json#/Other')).digest;
    await writeFile(join(folder, 'api/more.json'), '{"Other":{"type":"integer","minimum":1}}');
    expect((await load('more.json#/Other')).digest).not.toBe(before);
  });

  it.each([
    ['../outside.json#/Thing', /outside its own folder/],
    ['link.json#/Thing', /outside its own folder/],
    ['/etc/hostname', /outside its own folder/],
    ['file:///etc/hostname', /outside its own folder/],
    ['file://host/share/x.json', /never fetched/],
    ['missing.json', /cannot be read/],
    ['more.json#/Nothing', /leads nowhere/],
    ['twice.json', /stands twice/],
    ['ftp://files.example/x.json', /never fetched/],
  ])('are refused: %s', async (reference, message) => {
    await expect(load(reference)).rejects.toThrow(message);
  });

  it('that are URLs are never fetched', async () => {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests++;
      response.end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    await expect(load(`http://127.0.0.1:${port}/schema.json`)).rejects.toThrow(/never fetched/);
    await new Promise((resolve) => server.close(resolve));
    expect(requests).toBe(0);
  });
});
