import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCommand } from '../support/io.js';
import { makeManual, startManualServer } from '../support/manual-server.js';
import { describeWithProgram } from '../support/requirement.js';
import { makeFolder } from '../support/scratch.js';

const run = (args: readonly string[], environment: Record<string, string> = {}, cwd = '.') =>
  runCommand(args, { environment, cwd });

const state = { description: 'Lists books.\nSecond line.' };
async function serve() {
  return startManualServer(({ url, headers, body }, origin) => {
    if (headers.authorization !== 'Bearer k') return { status: 401, body: { code: 'unauthenticated' } };
    if (url.startsWith('/utcp')) return { body: manualAt(origin) };
    return url === '/tools/books/fail' ? { status: 400, body: { code: 'path_not_allowed' } } : { body: { url, body } };
  });
}

const manualAt = (origin: string) =>
  makeManual([
    {
      name: 'list_books',
      description: state.description,
      inputs: { type: 'object', properties: { author: { type: 'string' } }, additionalProperties: false },
      tool_call_template: { call_template_type: 'http', url: `${origin}/tools/books/list_books` },
    },
    { name: 'fail', tool_call_template: { call_template_type: 'http', url: `${origin}/tools/books/fail` } },
  ]);

describe('gatehouse tools', () => {
  it('lists name and first line of each tool; the credential comes from the environment, a file or an option', async () => {
    const { url } = await serve();
    const expected = { code: 0, out: 'list_books  Lists books.\nfail  A tool', err: '' };
    expect(await run(['tools', url], { GATEHOUSE_KEY: 'k' })).toEqual(expected);
    expect(await run(['tools', `${url}/utcp`, '--key', 'k'])).toEqual(expected);
    const folder = makeFolder();
    writeFileSync(join(folder, 'key.txt'), 'k\n');
    expect(await run(['tools', url, '--key-file', 'key.txt'], {}, folder)).toEqual(expected);
  });

  it('--json prints the manual as it was served', async () => {
    const { url } = await serve();
    const { code, out } = await run(['tools', url, '--json', '--key', 'k']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual(manualAt(url));
  });

  it('searches by --q, --tag and --limit', async () => {
    const { url, seen } = await serve();
    await run(['tools', url, '-q', 'all books', '--tag', 'read', '--limit', '3', '--key', 'k']);
    expect(seen[0]?.url).toBe('/utcp?q=all+books&tag=read&limit=3');
  });

  it("a provider's text cannot write on the terminal but in its own line", async () => {
    const { url } = await serve();
    state.description = 'a\u001b[2Jb\rc\u202ed';
    const { out } = await run(['tools', url, '--key', 'k']);
    state.description = 'Lists books.\nSecond line.';
    expect(out.split('\n')[0]).toBe('list_books  a [2Jb c d');
  });

  it('a refusal exits 1, no answer and no manual exit 2, wrong usage exits 2', async () => {
    const { url } = await serve();
    expect(await run(['tools', url])).toEqual({
      code: 1,
      out: '',
      err: 'AuthenticationError: Authentication required',
    });
    expect(await run(['tools', 'http://127.0.0.1:1', '--retries', '0'])).toMatchObject({ code: 2, out: '' });
    expect((await run(['tools', `${url}/tools/books/x`, '--key', 'k'])).err).toMatch(
      /^InvalidManualError: Invalid manual/,
    );
    expect((await run(['tools', 'nonsense'])).code).toBe(2);
    expect((await run(['tools'])).err).toContain('URL is missing');
    expect((await run(['tools', url, '--timeout', 'soon'])).code).toBe(2);
    expect((await run(['tools', url, '--allow-protocol', 'ftp'])).code).toBe(2);
  });

  it('--pin-file refuses a change, names the digest, and --accept takes exactly that one', async () => {
    const { url } = await serve();
    const folder = makeFolder();
    const args = ['tools', url, '--key', 'k', '--pin-file', 'pins.json'];
    expect((await run(args, {}, folder)).code).toBe(0);
    state.description = 'Lists books and sends them away.';
    const refused = await run(args, {}, folder);
    const [digest = ''] = /sha256:[0-9a-f]{64}/.exec(refused.err) ?? [];
    const other = await run([...args, '--accept', 'sha256:0'], {}, folder);
    const accepted = await run([...args, '--accept', digest], {}, folder);
    const after = await run(args, {}, folder);
    state.description = 'Lists books.\nSecond line.';
    expect(refused.err).toMatch(/^ManualChangedError: Manual changed: list_books is not the tool that was accepted/);
    expect([refused.code, other.code, accepted.code, after.code]).toEqual([1, 1, 0, 0]);
  });
});

describe('gatehouse call', () => {
  it('prints the result, pretty or in one line', async () => {
    const { url } = await serve();
    const args = ['call', url, 'books.list_books', '--args', '{"author":"Ö"}', '--key', 'k'];
    const result = { url: '/tools/books/list_books?author=%C3%96', body: '' };
    expect(await run(args)).toEqual({ code: 0, out: JSON.stringify(result, null, 2), err: '' });
    expect(await run([...args, '--json'])).toEqual({ code: 0, out: JSON.stringify(result), err: '' });
    expect(await run([...args, '--stream'])).toEqual({ code: 0, out: JSON.stringify(result), err: '' });
  });

  it('tells a refusal with its title and pointers, on standard error or as JSON', async () => {
    const { url } = await serve();
    const args = ['call', url, 'list_books', '--args', '{"author":1}', '--key', 'k'];
    const err = 'InvalidInputError: Invalid input: /author must be string';
    expect(await run(args)).toEqual({ code: 1, out: '', err });
    expect(JSON.parse((await run([...args, '--json'])).out)).toMatchObject({
      error: { name: 'InvalidInputError', code: 'invalid_input', errors: [{ pointer: '/author' }] },
    });
    expect((await run(['call', url, 'fail', '--key', 'k'])).err).toBe('PathNotAllowedError: Path not allowed');
  });

  it.each(['{', '[]', '"x"'])('--args %s is wrong usage', async (text) => {
    const { code, err } = await run(['call', 'http://127.0.0.1:1', 'x', '--args', text]);
    expect(code).toBe(2);
    expect(err).toContain('--args must be a JSON object');
  });
});

describeWithProgram('openssl', 'gatehouse sign', () => {
  it('writes the .sig of a manual and prints the key set, which together convince the reference client', async () => {
    const folder = makeFolder();
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', join(folder, 'key.pem')], { stdio: 'ignore' });
    writeFileSync(join(folder, 'books.json'), JSON.stringify(makeManual(['a']), null, 2));
    const { code, out } = await run(['sign', 'books.json', '--key', 'key.pem'], {}, folder);
    expect(code).toBe(0);
    const files: Record<string, string> = { '/.well-known/jwks.json': out };
    for (const name of ['books.json', 'books.json.sig']) files[`/${name}`] = readFileSync(join(folder, name), 'utf8');
    const { url } = await startManualServer((request) => ({ body: files[request.url] ?? '' }));
    expect(await run(['tools', `${url}/books.json`])).toMatchObject({ code: 0, out: 'a  A tool' });
    files['/books.json'] = JSON.stringify(makeManual(['b']));
    expect((await run(['tools', `${url}/books.json`])).err).toMatch(/^ManualSignatureError/);
  });

  it('refuses what is no manual and what is no key by file, in the form of findings', async () => {
    const folder = makeFolder();
    writeFileSync(join(folder, 'list.json'), '[]');
    writeFileSync(join(folder, 'bad.pem'), 'S3CRET');
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', join(folder, 'key.pem')], { stdio: 'ignore' });
    const rule = async (...args: string[]) =>
      JSON.parse((await run(['sign', ...args, '--json'], {}, folder)).out).findings[0].rule;
    expect(await rule('list.json', '--key', 'key.pem')).toBe('manual-not-json');
    expect(await rule('list.json', '--key', 'bad.pem')).toBe('signing-key-unusable');
    expect(await rule('gone.json', '--key', 'key.pem')).toBe('file-unreadable');
    expect((await run(['sign', 'list.json'], {}, folder)).code).toBe(2);
  });
});
