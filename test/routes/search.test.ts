import { gunzipSync } from 'node:zlib';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../src/client/index.js';
import { parseSearch } from '../../src/routes/search-query.js';
import { createEchoProtocols } from '../support/echo.js';
import { runCommand } from '../support/io.js';
import { connectOfficial } from '../support/official-client.js';
import { bearer, keyEntry, startServer, type TestServer } from '../support/server.js';

const tool = (name: string, description: string, tags: readonly string[]) => ({
  name,
  description,
  tags,
  inputs: { type: 'object', properties: { id: { type: 'string' } } },
  tool_call_template: { call_template_type: 'http', http_method: 'GET', url: 'https://up.example/' },
});
const books = [
  ...Array.from({ length: 30 }, (_, index) => tool(`get_page_${index}`, 'Reads one page of a book.', ['read'])),
  tool('create_book', 'Adds a book to the shop.', ['write']),
  tool('delete_book', 'Takes a book out of the shop.', ['write']),
];
const manual = (tools: readonly object[]) => ({ utcp_version: '1.1.0', manual_version: '2.0.0', tools });
const caller = (id: string) => ({ id, roles: [id], api_keys: { current: keyEntry(id) } });
let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    config: {
      manuals: [
        { name: 'books', source: 'books.yaml' },
        { name: 'secret', source: 'secret.yaml' },
      ],
      policy: {
        roles: {
          all: { discover: ['*'] },
          some: { discover: ['books.get_*', 'books.create_*'] },
          nothing: {},
          few: { discover: ['*'] },
        },
      },
      callers: [
        ...['all', 'some', 'nothing', 'few'].map(caller),
        { id: 'bot', roles: ['all'], oauth_client: { client_id: 'bot', secret_sha256: keyEntry('s').sha256, scopes } },
      ],
      limits: { per_caller: { per_minute: 1000 } },
    },
    files: {
      'books.yaml': manual(books),
      'secret.yaml': manual([tool('launch_book', 'A book that nobody may know of.', ['write'])]),
    },
    dependencies: { protocols: createEchoProtocols() },
  });
});
const scopes = ['tools:read'];
afterAll(() => server.close());

async function get(path: string, key: string, headers: Record<string, string> = {}) {
  const {
    statusCode,
    headers: received,
    body,
  } = await request(`${server.url}${path}`, {
    headers: { ...bearer(key), ...headers },
  });
  const bytes = Buffer.from(await body.arrayBuffer());
  return { status: statusCode, headers: received, bytes };
}

async function search(path: string, key: string): Promise<readonly string[]> {
  const { status, bytes } = await get(path, key);
  expect(status).toBe(200);
  return JSON.parse(bytes.toString('utf8')).tools.map(({ name }: { name: string }) => name);
}

describe('GET /utcp?q=', () => {
  it('is a manual of the tools that fit best, best first, ten unless the query says otherwise', async () => {
    expect(await search('/utcp?q=create+a+book', 'all')).toHaveLength(10);
    expect((await search('/utcp?q=create+a+book', 'all'))[0]).toBe('create_book');
    expect(await search('/utcp?q=create+a+book&limit=2', 'all')).toHaveLength(2);
    expect(await search('/utcp?q=page&limit=1000', 'all')).toHaveLength(30);
  });

  it('without words takes a tag, a limit or both, in the catalog’s order', async () => {
    expect(await search('/utcp?tag=write', 'all')).toEqual(['create_book', 'delete_book', 'launch_book']);
    expect(await search('/utcp?tag=write&limit=1', 'all')).toEqual(['create_book']);
    expect(await search('/utcp?limit=2', 'all')).toEqual(['get_page_0', 'get_page_1']);
  });

  it('stays within one manual where the path names one', async () => {
    expect(await search('/utcp/secret?q=book', 'all')).toEqual(['launch_book']);
    expect(await search('/utcp/books?tag=write', 'all')).toEqual(['create_book', 'delete_book']);
  });

  it('serves each tool as the whole manual does, with the same credential form', async () => {
    const whole = JSON.parse((await get('/utcp', 'all')).bytes.toString('utf8'));
    const found = JSON.parse((await get('/utcp?q=delete+book&limit=1', 'all')).bytes.toString('utf8'));
    expect(Object.keys(found)).toEqual(Object.keys(whole));
    expect(whole.tools).toContainEqual(found.tools[0]);
  });

  it('finds only what the caller sees; an invisible manual is not there, searched or not', async () => {
    expect(await search('/utcp?q=book+delete+launch&limit=1000', 'some')).not.toContain('delete_book');
    expect(await search('/utcp?q=launch', 'some')).toEqual([]);
    expect(await search('/utcp?tag=write', 'some')).toEqual(['create_book']);
    expect(await search('/utcp?q=book', 'nothing')).toEqual([]);
    const [hidden, absent] = [await get('/utcp/secret?q=x', 'some'), await get('/utcp/absent?q=x', 'some')];
    const text = ({ bytes }: typeof hidden) => bytes.toString('utf8').replace(/"request_id":"[^"]+"/, '');
    expect([hidden.status, text(hidden)]).toEqual([404, text(absent)]);
    expect((await request(`${server.url}/utcp?q=book`)).statusCode).toBe(401);
  });

  it('has a strong validator, is private, and is compressed as asked', async () => {
    const path = '/utcp?q=page&limit=20';
    const first = await get(path, 'all');
    expect(first.headers).toMatchObject({ 'cache-control': 'private', vary: 'Authorization, Accept-Encoding' });
    const etag = String(first.headers.etag);
    expect(etag).toMatch(/^"[\w-]+"$/);
    const again = await get(path, 'all', { 'if-none-match': etag });
    expect([again.status, again.bytes.length, again.headers.etag]).toEqual([304, 0, etag]);
    expect((await get('/utcp?q=page&limit=19', 'all', { 'if-none-match': etag })).status).toBe(200);
    const zipped = await get(path, 'all', { 'accept-encoding': 'gzip' });
    expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', etag: `${etag.slice(0, -1)}-gzip"` });
    expect(gunzipSync(zipped.bytes)).toEqual(first.bytes);
    const { statusCode, body } = await request(`${server.url}${path}`, { method: 'HEAD', headers: bearer('all') });
    expect([statusCode, await body.text()]).toEqual([200, '']);
  });

  it.each([
    ['?limit=0', '/limit must be a whole number from 1 to 1000'],
    ['?limit=1001', '/limit must be a whole number from 1 to 1000'],
    ['?limit=ten', '/limit must be a whole number from 1 to 1000'],
    ['?limit=-1', '/limit must be a whole number from 1 to 1000'],
    ['?q=', '/q must have 1 to 200 characters; leave it out to see all'],
    [`?q=${'a'.repeat(201)}`, '/q must have 1 to 200 characters; leave it out to see all'],
    ['?tag=+', '/tag must have 1 to 200 characters; leave it out to see all'],
    ['?q=a&q=b', '/q is given more than once'],
    ['?limt=5', '/limt is no parameter here; use q, tag, limit'],
    ['?__proto__=5', '/__proto__ is no parameter here; use q, tag, limit'],
  ])('%s is refused, with what would be right', async (query, detail) => {
    const { status, headers, bytes } = await get(`/utcp${query}`, 'all');
    const problem = JSON.parse(bytes.toString('utf8'));
    expect([status, headers['content-type']]).toEqual([400, 'application/problem+json']);
    expect(problem).toMatchObject({ code: 'invalid_input', detail: `${detail}.` });
    expect(problem.errors).toHaveLength(1);
  });

  it('tells all that is wrong in one go', () => {
    expect(() => parseSearch('limit=0&q=&x=1')).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ errors: expect.objectContaining({ length: 3 }) }) }),
    );
  });

  it('`?` alone is the whole manual', async () => {
    expect(await search('/utcp?', 'all')).toHaveLength(33);
  });

  it('leaves one event, which says how many tools it showed and not what was asked', async () => {
    server.sink.events.length = 0;
    await search('/utcp?q=xylophone+page', 'few');
    await get('/utcp?limit=0', 'few');
    expect(server.sink.of('manual.served')).toMatchObject([
      { caller: 'few', outcome: 'success', tools: 10 },
      { caller: 'few', outcome: 'denied', reason: 'invalid_input', status: 400 },
    ]);
    expect(JSON.stringify(server.sink.events)).not.toContain('xylophone');
  });
});

describe('clients', () => {
  it('the official client registers a searched manual, with a key and with client credentials', async () => {
    const path = '/utcp?q=create+book&limit=3';
    const keyed = await connectOfficial(server.url, { bearer: 'all' }, { path });
    const bot = await connectOfficial(server.url, { client_id: 'bot', client_secret: 's' }, { path });
    for (const client of [keyed, bot]) {
      expect(client.errors).toEqual([]);
      expect(client.tools).toHaveLength(3);
      expect(client.tools[0]).toBe('create_book');
    }
  });

  it('the reference client searches, and fetches what is unchanged once', async () => {
    const client = createClient({ url: server.url, credential: { bearer: 'all' } });
    try {
      const { tools } = await client.search('delete book', { limit: 2, tag: 'write' });
      expect(tools.map(({ name }) => name)).toEqual(['delete_book', 'create_book']);
      expect((await client.search('delete book', { limit: 2, tag: 'write' })).tools).toBe(tools);
    } finally {
      await client.close();
    }
  });

  it('gatehouse tools searches by --q, --tag and --limit, and says what is wrong with a query', async () => {
    const run = (...args: readonly string[]) => runCommand(['tools', server.url, '--key', 'all', ...args]);
    const { code, out } = await run('--q', 'delete a book', '--tag', 'write', '--limit', '1');
    expect([code, out]).toEqual([0, 'delete_book  Takes a book out of the shop.']);
    const wrong = await run('--limit', '0');
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('from 1 to 1000') });
  });
});
