import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse, stringify } from 'yaml';
import { lintText, parseDocument } from '../../src/manual/index.js';
import { runCommand } from '../support/io.js';
import { startManualServer } from '../support/manual-server.js';
import { makeFolder } from '../support/scratch.js';
import { bearer, keyEntry, startServer } from '../support/server.js';

const get = (id: string, more: object = {}) => ({
  get: { operationId: id, summary: `Runs ${id}.`, responses: {}, ...more },
});
const shop = {
  openapi: '3.0.3',
  info: { title: 'Shop', version: '2.3.0' },
  servers: [{ url: 'https://api.example' }],
  components: { securitySchemes: { oauth: { type: 'oauth2', flows: { clientCredentials: { tokenUrl: '/token' } } } } },
  paths: {
    '/books': {
      ...get('list_books', { tags: ['books'], security: [{ oauth: ['books:read'] }] }),
      post: {
        operationId: 'upload_cover',
        summary: 'Takes a cover.',
        tags: ['books'],
        requestBody: { required: true, content: { 'multipart/form-data': { schema: { type: 'object' } } } },
        responses: {},
      },
    },
    '/users/{id}': get('get_user', {
      tags: ['users'],
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
    }),
    '/internal/health': get('health', { tags: ['read'] }),
  },
};

/** A folder with the document in it, as JSON and as YAML. */
function prepare(document: object = shop): string {
  const folder = makeFolder();
  writeFileSync(join(folder, 'shop.openapi.json'), JSON.stringify(document));
  writeFileSync(join(folder, 'shop.yaml'), stringify(document));
  return folder;
}

const read = (folder: string, file: string) => readFileSync(join(folder, file), 'utf8');
const namesOf = (text: string) => parse(text).tools.map(({ name }: { name: string }) => name);

describe('gatehouse import', () => {
  it('writes a manual that lints without an error, says what it could not carry, and exits 1 for it', async () => {
    const cwd = prepare();
    const { code, out, err } = await runCommand(['import', 'shop.openapi.json', '-o', 'shop.json'], { cwd });
    expect([code, err]).toEqual([1, '']);
    expect(out).toMatch(/^left out {2}POST \/books\n {10}.*multipart/m);
    expect(out).toContain('4 operations: 3 carried, 0 in part, 1 left out, 0 excluded. 3 tools in shop.json.');
    expect(out).toContain('Variables to set: API_SHOP_CLIENT_ID, API_SHOP_CLIENT_SECRET.');
    expect(out).toContain('openapi-tag-reserved: 1 times');
    const text = read(cwd, 'shop.json');
    expect(JSON.parse(text)).toMatchObject({ utcp_version: '1.1.0', manual_version: '2.3.0' });
    expect(namesOf(text)).toEqual(['list_books', 'get_user', 'health']);
    expect(lintText(text, 'shop.json').findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  });

  it('writes a manual and an entry that the server takes as they are, scopes included', async () => {
    const cwd = prepare();
    const { out } = await runCommand(['import', 'shop.yaml', '-o', 'shop.utcp.yaml'], { cwd });
    const [, entry = ''] = /Name it in the configuration[^\n]*\n\n([\s\S]*)$/.exec(out) ?? [];
    expect(parse(entry).manuals[0].tools).toEqual({ list_books: { required_scopes: ['books:read'] } });
    const callers = [{ id: 'me', roles: ['all'], api_keys: { current: keyEntry('k') } }];
    const policy = { roles: { all: { discover: ['*'], call: ['*'] } } };
    const server = await startServer({
      config: { ...parse(entry), callers, policy },
      files: { 'shop.utcp.yaml': read(cwd, 'shop.utcp.yaml') },
      environment: { API_SHOP_CLIENT_ID: 'a', API_SHOP_CLIENT_SECRET: 'b' },
    });
    onTestFinished(() => server.close());
    const response = await fetch(`${server.url}/utcp`, { headers: bearer('k') });
    expect(namesOf(await response.text())).toContain('list_books');
  });

  it('--json answers for every operation, and without -o brings the manual', async () => {
    const { code, out } = await runCommand(['import', 'shop.yaml', '--json'], { cwd: prepare() });
    const report = JSON.parse(out);
    expect(code).toBe(1);
    expect(report.operations.map(({ status, tool }: Record<string, string>) => [status, tool])).toEqual([
      ['carried', 'list_books'],
      ['left_out', undefined],
      ['carried', 'get_user'],
      ['carried', 'health'],
    ]);
    expect(report.findings).toContainEqual({
      rule: 'openapi-operation-left-out',
      severity: 'warning',
      file: 'shop.yaml',
      pointer: expect.stringContaining('/paths/~1books/post'),
      line: expect.any(Number),
      message: expect.stringContaining('POST /books'),
      mend: expect.any(String),
    });
    expect(report.entry).toMatchObject({ name: 'shop', tools: { list_books: { required_scopes: ['books:read'] } } });
    expect(report.manual.tools).toHaveLength(3);
    expect(JSON.stringify(report.manual)).not.toContain('required_scopes');
  });

  it.each([
    [['--include-tag', 'books'], ['list_books']],
    [
      ['--include-method', 'POST', '--include-method', 'GET', '--exclude-path', '/internal/**'],
      ['list_books', 'get_user'],
    ],
    [
      ['--include-path', '/users/*', '--include-path', '/internal/*'],
      ['get_user', 'health'],
    ],
    [
      ['--exclude-tag', 'users', '--exclude-method', 'post'],
      ['list_books', 'health'],
    ],
  ])('%j takes only what was chosen, and prints the manual alone on standard output', async (options, names) => {
    const { out, err } = await runCommand(['import', 'shop.openapi.json', ...options], { cwd: prepare() });
    expect(namesOf(out)).toEqual(names);
    expect(err).toMatch(/\d excluded\. \d tools\./);
  });

  it('writes the same manual in YAML as in JSON, with words that YAML 1.1 would take for something else quoted', async () => {
    const words = [
      'on',
      'no',
      '~',
      'null',
      '1e3',
      '0x1F',
      '2024-01-01',
      '',
      ':',
      '- x',
      '=',
      '<<',
      ' a\t\u2028"\n\n # b \n',
    ];
    const parameters = [{ name: 'on', in: 'query', schema: { type: 'string', enum: words, example: 'no' } }];
    const cwd = prepare({
      ...shop,
      info: { title: 'T', version: '1.10' },
      paths: { '/a': get('yes', { parameters }) },
    });
    for (const file of ['a.json', 'a.yaml'])
      await runCommand(['import', 'shop.yaml', '-o', file, '--name', 'a'], { cwd });
    const manual = JSON.parse(read(cwd, 'a.json'));
    expect(manual.tools[0].inputs.properties.on.enum).toEqual(words);
    expect(parseDocument(read(cwd, 'a.yaml'), 'a.yaml').value).toEqual(manual);
    expect(parse(read(cwd, 'a.yaml'), { version: '1.1' })).toEqual(manual);
  });

  it('--base-url takes the place of every server, and --name names the variables', async () => {
    const options = ['--base-url', 'https://other.example/v2', '--name', 'books'];
    const { out } = await runCommand(['import', 'shop.yaml', ...options], { cwd: prepare() });
    expect(JSON.parse(out).tools[0].tool_call_template).toMatchObject({
      url: 'https://other.example/v2/books',
      auth: { client_id: '${API_BOOKS_CLIENT_ID}' },
    });
  });

  it('never writes over a file without --force, and says so before the work', async () => {
    const cwd = prepare();
    writeFileSync(join(cwd, 'kept.json'), 'mine');
    const refused = await runCommand(['import', 'gone.json', '-o', 'kept.json'], { cwd });
    expect([refused.code, refused.err]).toEqual([
      2,
      expect.stringContaining('kept.json: error: The file is there already'),
    ]);
    expect(read(cwd, 'kept.json')).toBe('mine');
    expect((await runCommand(['import', 'shop.yaml', '-o', 'kept.json', '--force'], { cwd })).code).toBe(1);
    expect(namesOf(read(cwd, 'kept.json'))).toHaveLength(3);
  });

  it('exits 2 for what cannot be read, is no OpenAPI document, or leads to no tool, and writes nothing', async () => {
    const cwd = prepare();
    writeFileSync(join(cwd, 'list.json'), '[]');
    const rule = async (...args: readonly string[]) => {
      const { code, out } = await runCommand(['import', ...args, '-o', 'out.json', '--json'], { cwd });
      return [code, JSON.parse(out).findings[0].rule];
    };
    expect(await rule('gone.json')).toEqual([2, 'document-unreadable']);
    expect(await rule('list.json')).toEqual([2, 'openapi-version']);
    expect(await rule('shop.yaml', '--include-tag', 'none')).toEqual([2, 'openapi-empty']);
    expect(existsSync(join(cwd, 'out.json'))).toBe(false);
    expect((await runCommand(['import'])).code).toBe(2);
    expect((await runCommand(['import', 'shop.yaml', '--base-url', 'ftp://x'], { cwd })).code).toBe(2);
  });

  it('fetches a URL behind the guard: a private host only where it is named, the key only to one origin', async () => {
    const { servers: _servers, ...document } = shop;
    const { url, seen } = await startManualServer(() => ({ body: document }));
    const cwd = prepare();
    const refused = await runCommand(['import', `${url}/shop.json`], { cwd });
    expect([refused.code, refused.err]).toEqual([
      2,
      expect.stringContaining('Name the host with --allow-private-host'),
    ]);
    writeFileSync(join(cwd, 'key'), 'secret-key\n');
    const options = ['--allow-private-host', '127.0.0.1', '--key-file', 'key'];
    const { out } = await runCommand(['import', `${url}/shop.json`, ...options], { cwd });
    expect(JSON.parse(out).tools[0].tool_call_template.url).toBe(`${url}/books`);
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer secret-key']);
    expect((await runCommand(['import', 'shop.yaml', '--key-file', 'key'], { cwd })).code).toBe(2);
  });

  it('shows progress on a terminal alone, and takes it away', async () => {
    const paths = Object.fromEntries(Array.from({ length: 120 }, (_item, at) => [`/p${at}`, get(`op_${at}`)]));
    const cwd = prepare({ ...shop, paths });
    const shown: string[] = [];
    await runCommand(['import', 'shop.yaml', '-o', 'x.json'], { cwd, status: (text) => void shown.push(text) });
    expect(shown).toContain('Importing shop.yaml: 50 of 120 operations');
    expect(shown.at(-1)).toBe('');
  });

  it('lets no document write on the terminal but in its own line', async () => {
    const path = '/a\u001b[2J';
    const { err } = await runCommand(['import', 'shop.yaml', '--all'], {
      cwd: prepare({ ...shop, paths: { [path]: get('a') } }),
    });
    expect(err).toContain(String.raw`GET /a\u{1b}[2J → a`);
  });
});
