import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { OpenApiConverter } from '@utcp/http';
import { UtcpManualSerializer } from '@utcp/sdk';
import { describe, expect, it } from 'vitest';
import type { AuthoredManual } from '../../../src/core/index.js';
import { type ImportedOpenApi, importOpenApi } from '../../../src/manual/openapi/import.js';
import { createSchemaCompiler } from '../../../src/schema/index.js';
import { missingSharedData, sharedDocument, skipSharedData } from '../../support/shared-data.js';
import { importDocument, importOperation, manyOperations } from './document.js';

const documents = ['1password-events.openapi.json', 'adafruit-io.openapi.json', 'github-rest.openapi.json'];

/** What the catalog serves of a direct tool: UTCP's own keys. */
function served(manual: AuthoredManual): Record<string, unknown> {
  return { ...manual, tools: manual.tools.map(({ required_scopes: _scopes, ...tool }) => tool) };
}

function spelt(name: string): string {
  return name.replace(/\W+/g, '_');
}

const imported = new Map<string, Promise<ImportedOpenApi>>();

function importShared(name: string): Promise<ImportedOpenApi> {
  const known =
    imported.get(name) ?? importOpenApi(readFileSync(sharedDocument(name), 'utf8'), { name: 'demo', file: name });
  imported.set(name, known);
  return known;
}

/** What the official converter makes of a document; without its answers, over which it takes most of a minute. */
function convertOfficially(name: string) {
  const document = JSON.parse(readFileSync(sharedDocument(name), 'utf8'));
  for (const item of Object.values<Record<string, Record<string, unknown>>>(document.paths)) {
    for (const operation of Object.values(item)) if ('responses' in operation) operation.responses = {};
  }
  return new OpenApiConverter(document, {}).convert();
}

describe.skipIf(skipSharedData)(`real documents (${missingSharedData})`, () => {
  it.each(documents)(
    '%s: every operation that the official converter carries is carried, and to the same place',
    async (name) => {
      const { manual, operations } = await importShared(name);
      const official = convertOfficially(name);
      const ours = new Map(manual.tools.map((tool) => [tool.name, tool]));
      expect(ours.size).toBeGreaterThanOrEqual(official.tools.length);
      expect(operations.filter(({ status }) => status === 'left_out')).toEqual([]);
      for (const theirs of official.tools) {
        const tool = ours.get(spelt(theirs.name));
        const inputs = Object.keys(Object(tool?.inputs.properties)).map(spelt);
        expect(inputs).toEqual(expect.arrayContaining(Object.keys(theirs.inputs.properties ?? {}).map(spelt)));
        expect(tool?.tool_call_template.http_method).toBe(Object(theirs.tool_call_template).http_method);
        // A server of the operation's own wins, which the official converter does not see.
        const own = String(tool?.tool_call_template.url).startsWith('https://uploads.github.com/');
        if (!own)
          expect(spelt(String(tool?.tool_call_template.url))).toBe(spelt(Object(theirs.tool_call_template).url));
      }
    },
    60_000,
  );

  it.each(documents)(
    '%s: the manual is one that the official client takes whole',
    async (name) => {
      const { manual } = await importShared(name);
      const taken = new UtcpManualSerializer().validateDict(served(manual));
      expect(taken.tools).toHaveLength(manual.tools.length);
    },
    60_000,
  );

  it.each(documents)(
    '%s: every schema can judge',
    async (name) => {
      const { manual } = await importShared(name);
      expect(unfit(manual)).toEqual([]);
      expect(JSON.stringify(manual)).not.toMatch(/[:[,]null[,\]}]/);
    },
    60_000,
  );

  it(`${basename(documents[2] ?? '')}: over 1,000 operations, with each answered for`, async () => {
    const name = 'github-rest.openapi.json';
    const progress: number[] = [];
    const { operations, findings, manual } = await importOpenApi(readFileSync(sharedDocument(name), 'utf8'), {
      name: 'github',
      file: name,
      onProgress: (done, total) => progress.push(done / total),
    });
    expect(operations.length).toBeGreaterThan(1000);
    expect(manual.tools).toHaveLength(operations.length);
    expect(findings).toEqual([
      expect.objectContaining({
        rule: 'openapi-operation-partial',
        pointer: '/paths/~1repos~1{owner}~1{repo}~1releases~1{release_id}~1assets/post',
      }),
    ]);
    expect(progress.length).toBeGreaterThan(10);
    expect(progress.at(-1)).toBe(1);
    expect(manual.tools.find(({ name }) => name === 'repos_upload_release_asset')?.tool_call_template).toMatchObject({
      url: 'https://uploads.github.com/repos/{owner}/{repo}/releases/{release_id}/assets',
      content_type: 'application/octet-stream',
      body_field: 'body',
    });
  });
});

function unfit(manual: AuthoredManual): readonly string[] {
  const compiler = createSchemaCompiler();
  return manual.tools.flatMap(({ name, inputs, outputs }) =>
    [inputs, ...(outputs ? [outputs] : [])].flatMap((schema) => {
      const problem = compiler.check(schema);
      return problem === undefined ? [] : [`${name} ${problem}`];
    }),
  );
}

describe('a document of 1,100 operations', () => {
  it('loads within 5 seconds and 1 GiB, and its manual is one that the official client takes whole', async () => {
    const text = JSON.stringify({
      openapi: '3.0.3',
      info: { title: 'Large', version: '1' },
      servers: [{ url: 'https://api.example' }],
      ...manyOperations(1100),
    });
    const start = process.cpuUsage();
    const { manual } = await importOpenApi(text, { name: 'large', file: 'large.json' });
    const spent = process.cpuUsage(start);
    expect((spent.user + spent.system) / 1000).toBeLessThan(5000);
    expect(process.memoryUsage().rss).toBeLessThan(2 ** 30);
    expect(manual.tools).toHaveLength(1100);
    const sample = { ...manual, tools: manual.tools.slice(0, 20) };
    expect(unfit(sample)).toEqual([]);
    expect(new UtcpManualSerializer().validateDict(served(sample)).tools).toHaveLength(20);
  });
});

describe('names', () => {
  const get = { responses: {} };

  it('come from the operationId, else from method and path', async () => {
    const { manual } = await importDocument({
      paths: {
        '/users/{user-id}/posts': { get },
        '/': { post: get },
        '/x': { put: { ...get, operationId: 'repos/get-content' }, delete: { ...get, operationId: '2fa' } },
      },
    });
    expect(manual.tools.map(({ name }) => name)).toEqual([
      'get_users_by_user_id_posts',
      'post_root',
      'repos_get_content',
      '_2fa',
    ]);
  });

  it('stay the same whatever the order of the document and whatever is excluded', async () => {
    const paths = {
      '/a': { get: { ...get, operationId: 'list-all' } },
      '/b': { get: { ...get, operationId: 'list.all' } },
      '/c': { get: { ...get, operationId: 'list_all' } },
      '/d': { get: { ...get, operationId: 'same' } },
      '/e/{x}': { get: { ...get, operationId: 'same' } },
      '/e-{x}': { get: { ...get, operationId: 'same' } },
    };
    const nameBy = async (entries: readonly (readonly [string, unknown])[], exclude?: string) => {
      const { operations } = await importDocument(
        { paths: Object.fromEntries(entries) },
        exclude === undefined ? {} : { exclude: { paths: [exclude] } },
      );
      return new Map(operations.map(({ path, tool }) => [path, tool]));
    };
    const names = await nameBy(Object.entries(paths));
    expect([names.get('/a'), names.get('/b'), names.get('/c')]).toEqual([
      'list_all_get_a',
      'list_all_get_b',
      'list_all',
    ]);
    expect(new Set(names.values()).size).toBe(6);
    expect(await nameBy(Object.entries(paths).reverse())).toEqual(names);
    const some = await nameBy(Object.entries(paths), '/c');
    expect(some.get('/a')).toBe('list_all_get_a');
    expect(some.get('/c')).toBeUndefined();
  });
});

describe('include and exclude', () => {
  const paths = {
    '/books': { get: { tags: ['books'], responses: {} }, post: { tags: ['books'], responses: {} } },
    '/books/{id}/pages': { get: { tags: ['pages'], responses: {} } },
    '/admin/users': { get: { tags: ['admin', 'books'], responses: {} } },
  };

  it.each([
    [{ include: { tags: ['pages'] } }, ['get_books_by_id_pages']],
    [{ include: { paths: ['/books'] } }, ['get_books', 'post_books']],
    [{ include: { paths: ['/books/**'], methods: ['get'] } }, ['get_books_by_id_pages']],
    [{ include: { methods: ['GET'] }, exclude: { tags: ['admin'] } }, ['get_books', 'get_books_by_id_pages']],
    [{ exclude: { paths: ['/*/users', '/books/*/pages'], methods: ['POST'] } }, ['get_books']],
    [{ include: { tags: ['books'] }, exclude: { paths: ['/admin/**'] } }, ['get_books', 'post_books']],
  ])('%j takes the operations it names', async (selection, expected) => {
    const { manual, operations } = await importDocument({ paths }, selection);
    expect(manual.tools.map(({ name }) => name)).toEqual(expected);
    expect(operations).toHaveLength(4);
    expect(operations.filter(({ status }) => status === 'excluded')).toHaveLength(4 - expected.length);
  });

  it('that leave nothing fail the load instead of serving nothing', async () => {
    await expect(importDocument({ paths }, { include: { tags: ['nope'] } })).rejects.toThrow(/leave no operation/);
  });
});

describe('servers', () => {
  const operation = { responses: {} };
  const urlOf = async (document: Record<string, unknown>, options = {}) =>
    (await importOperation(operation, document, options)).tool.tool_call_template.url;

  it.each([
    [
      'the first of the document',
      { servers: [{ url: 'https://a.example/v1/' }, { url: 'https://b.example' }] },
      'https://a.example/v1/things',
    ],
    [
      'https where both are offered',
      { servers: [{ url: 'http://a.example' }, { url: 'https://a.example' }] },
      'https://a.example/things',
    ],
    [
      'variables at their defaults',
      {
        servers: [
          { url: 'https://{region}.example/{v}', variables: { region: { default: 'eu' }, v: { enum: ['v2'] } } },
        ],
      },
      'https://eu.example/v2/things',
    ],
  ])('are %s', async (_name, document, expected) => {
    expect(await urlOf(document)).toBe(expected);
  });

  it('of the operation win over those of the path and the document', async () => {
    const { tool } = await importOperation({ ...operation, servers: [{ url: 'https://own.example' }] });
    expect(tool.tool_call_template.url).toBe('https://own.example/things');
  });

  it('are replaced by base_url, which is told where an operation has its own', async () => {
    expect(await urlOf({}, { base_url: 'https://proxy.example/x/' })).toBe('https://proxy.example/x/things');
    const own = { ...operation, servers: [{ url: 'https://own.example' }] };
    const { tool, rules } = await importOperation(own, {}, { base_url: 'https://proxy.example' });
    expect(tool.tool_call_template.url).toBe('https://proxy.example/things');
    expect(rules).toContain('openapi-server-replaced');
  });

  it('that are relative stand on the URL of the document', async () => {
    expect(await urlOf({ servers: [{ url: '/v3' }] }, { source_url: 'https://docs.example/api/openapi.json' })).toBe(
      'https://docs.example/v3/things',
    );
    expect(await urlOf({ servers: [] }, { source_url: 'https://docs.example/openapi.json' })).toBe(
      'https://docs.example/things',
    );
  });

  it.each([
    ['without a host', { servers: [] }, /base_url/],
    ['with a variable that has no value', { servers: [{ url: 'https://{x}.example' }] }, /without a default/],
    ['of another protocol', { servers: [{ url: 'ftp://a.example' }] }, /speaks ftp/],
    ['with a credential in the URL', { servers: [{ url: 'https://user:pw@a.example' }] }, /credential/],
  ])('%s fail the load', async (_name, document, message) => {
    const error = await urlOf(document).catch(String);
    expect(error).toMatch(message);
    expect(error).not.toContain('pw@');
  });

  it.each([
    'http://169.254.169.254/latest',
    'https://10.0.0.8',
    'https://localhost:8443',
    'http://[::1]:8080',
    'https://db.internal',
    'https://intranet',
  ])('that are private are reported: %s (GHSA-r8j5-8747-88cm)', async (url) => {
    expect((await importOperation(operation, { servers: [{ url }] })).rules).toEqual(['openapi-server-private']);
  });

  it.each(['http://127.0.0.1:8080', 'http://api.example'])('that the configuration allows are not: %s', async (url) => {
    const allow_private_hosts = ['127.0.0.1', 'api.example'];
    expect((await importOperation(operation, { servers: [{ url }] }, { allow_private_hosts })).rules).toEqual([]);
  });

  it('that speak plain http are reported', async () => {
    const { rules } = await importOperation(operation, { servers: [{ url: 'http://api.example' }] });
    expect(rules).toEqual(['openapi-server-plain']);
  });

  it('of OpenAPI 2 are put together from scheme, host and base path', async () => {
    const document = {
      swagger: '2.0',
      info: { version: '1' },
      host: 'api.example',
      basePath: '/v2',
      paths: { '/x': { get: operation } },
    };
    const [tool] = (await importDocument({ ...document, schemes: ['http', 'https'] })).manual.tools;
    expect(tool?.tool_call_template.url).toBe('https://api.example/v2/x');
  });
});

describe('a tool', () => {
  it('has the words of its operation', async () => {
    const { tool, manual, report, pointers } = await importOperation({
      operationId: 'list',
      summary: 'List things',
      description: 'All of them.',
      tags: ['things'],
      deprecated: true,
      responses: {},
    });
    expect(manual).toMatchObject({ manual_version: '2.5.0', utcp_version: '1.1.0' });
    expect(tool).toMatchObject({
      name: 'list',
      description: 'Deprecated. List things\n\nAll of them.',
      tags: ['things', 'read'],
      tool_call_template: { call_template_type: 'http', http_method: 'GET', url: 'https://api.example/things' },
    });
    expect(report).toEqual({
      method: 'GET',
      path: '/things',
      operation_id: 'list',
      pointer: '/paths/~1things/get',
      tool: 'list',
      status: 'carried',
      problems: [],
    });
    expect(pointers.get('list')).toBe('/paths/~1things/get');
  });

  it('is tagged read or write by its method alone, whatever the document claims', async () => {
    const { tool, rules } = await importOperation({ tags: ['read', 'x'], responses: {} }, { method: 'delete' });
    expect(tool.tags).toEqual(['x', 'write']);
    expect(rules).toEqual(['openapi-tag-reserved']);
  });

  it.each(['head', 'options', 'trace'])('is not made of %s, which is reported', async (method) => {
    const { operations, findings } = await importDocument({
      paths: { '/a': { [method]: { responses: {} }, get: { responses: {} } } },
    });
    expect(operations.find((report) => report.method === method.toUpperCase())).toMatchObject({
      status: 'left_out',
      tool: undefined,
    });
    expect(findings).toEqual([
      expect.objectContaining({ rule: 'openapi-operation-left-out', line: expect.any(Number) }),
    ]);
  });

  it('has the mean size of the answers that the document shows', async () => {
    const answer = {
      content: { 'application/json': { examples: { a: { value: 'xx' }, b: { $ref: '#/components/examples/b' } } } },
    };
    const { tool } = await importOperation(
      { responses: { 200: answer } },
      { components: { examples: { b: { value: { é: 1 } } } } },
    );
    expect(tool.average_response_size).toBe(6);
  });
});

describe('a document', () => {
  it.each([
    [{ openapi: '4.0.0', paths: {} }, /not OpenAPI/],
    [{ swagger: '1.2', paths: {} }, /not OpenAPI/],
    [{ paths: {} }, /no operation/],
    [{ paths: { '/a': { head: {} } } }, /None of 1 operations/],
  ])('%j is refused', async (document, message) => {
    await expect(importDocument(document)).rejects.toThrow(message);
  });
});
