import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CallScope, type CallTemplate, LoadError } from '../../src/core/index.js';
import { readOpened } from '../../src/protocols/path-read.js';
import { inputsOf } from '../support/binding.js';
import { readExampleEntries, readExampleTools } from '../support/page.js';
import { openDescriptors } from '../support/processes.js';
import { callTool, createTestProtocols, failTool } from '../support/protocol.js';

const secret = 'the secret outside';
let folder = '';
let data = '';
let protocols = createTestProtocols();

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'gatehouse-text-')));
  data = join(folder, 'data');
  mkdirSync(join(data, 'sub'), { recursive: true });
  mkdirSync(join(folder, 'outside'));
  mkdirSync(join(folder, 'data-sibling'));
  writeFileSync(join(data, 'note.txt'), 'héllo');
  writeFileSync(join(data, 'sub', 'deep.txt'), 'deep');
  writeFileSync(join(data, 'key.pem'), 'not for reading');
  writeFileSync(join(folder, 'outside', 'secret.txt'), secret);
  writeFileSync(join(folder, 'data-sibling', 'secret.txt'), secret);
  symlinkSync(join(folder, 'outside', 'secret.txt'), join(data, 'link-out.txt'));
  symlinkSync(join(folder, 'outside'), join(data, 'folder-out'));
  symlinkSync('../outside/secret.txt', join(data, 'relative-out.txt'));
  symlinkSync('note.txt', join(data, 'link-in.txt'));
  symlinkSync('key.pem', join(data, 'disguised.txt'));
  symlinkSync('loop.txt', join(data, 'loop.txt'));
  symlinkSync('/dev/zero', join(data, 'device.txt'));
  symlinkSync('/proc/self/environ', join(data, 'environ.txt'));
  symlinkSync(data, join(folder, 'data-link'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  protocols = createTestProtocols();
});

function template(over: Partial<Record<string, CallTemplate[string]>> = {}): CallTemplate {
  const fields = { file_path: `${data}/\${filename}`, allowed_paths: [data], ...over };
  const given = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { call_template_type: 'text', ...Object.fromEntries(given) };
}

function prepare(over: Partial<Record<string, CallTemplate[string]>> = {}) {
  return protocols.prepare(template(over), { inputs: inputsOf('filename') });
}

describe('the allowed directories of a text tool', () => {
  it.each([
    ['a climb', '../outside/secret.txt'],
    ['a climb through a folder', 'sub/../../outside/secret.txt'],
    ['a climb to the root', '../../../../../../../../../../etc/passwd'],
    ['a folder whose name begins alike', '../data-sibling/secret.txt'],
    ['a link to a file outside', 'link-out.txt'],
    ['a relative link to a file outside', 'relative-out.txt'],
    ['a link to a folder outside', 'folder-out/secret.txt'],
    ['a backslash climb', '..\\outside\\secret.txt'],
    ['a NUL that would cut the path', 'link-out.txt\0.txt'],
    ['the directory itself', '.'],
    ['a directory', 'sub'],
    ['a directory with a slash', 'sub/'],
    ['nothing', ''],
    ['a link to itself', 'loop.txt'],
    ['a link to a device', 'device.txt'],
    ["a link to the server's environment", 'environ.txt'],
  ])('refuses %s as "Path not allowed", naming no path', async (_name, filename) => {
    const error = await failTool(prepare(), { filename });
    expect({ code: error.code, title: error.title, status: error.status }).toEqual({
      code: 'path_not_allowed',
      title: 'Path not allowed',
      status: 400,
    });
    const told = JSON.stringify([error.message, error.details]);
    expect(told).not.toContain(folder);
    expect(told).not.toContain('secret');
  });

  it('refuses an absolute path where the whole path is the argument', async () => {
    const whole = prepare({ file_path: '{filename}' });
    for (const filename of ['/etc/passwd', join(folder, 'outside/secret.txt'), '/proc/self/environ', '/dev/zero']) {
      expect((await failTool(whole, { filename })).code).toBe('path_not_allowed');
    }
    expect(await callTool(whole, { filename: join(data, 'note.txt') })).toBe('héllo');
  });

  it('does not decode an encoded climb: it is the name of a file that is not there', async () => {
    const error = await failTool(prepare(), { filename: '%2e%2e%2foutside%2fsecret.txt' });
    expect([error.code, error.reason]).toEqual(['invalid_input', 'file_missing']);
  });

  it('answers alike for what exists outside and what does not', async () => {
    const there = await failTool(prepare(), { filename: '../outside/secret.txt' });
    const absent = await failTool(prepare(), { filename: '../outside/absent.txt' });
    expect(there.details).toEqual(absent.details);
    expect(there.code).toBe(absent.code);
  });

  it('follows a link that stays inside', async () => {
    expect(await callTool(prepare(), { filename: 'link-in.txt' })).toBe('héllo');
    expect(await callTool(prepare(), { filename: 'sub/../note.txt' })).toBe('héllo');
    expect(await callTool(prepare(), { filename: 'sub/deep.txt' })).toBe('deep');
  });

  it('resolves an allowed directory that is a link itself', async () => {
    const through = prepare({ file_path: `${folder}/data-link/{filename}`, allowed_paths: [`${folder}/data-link`] });
    expect(await callTool(through, { filename: 'note.txt' })).toBe('héllo');
    expect((await failTool(through, { filename: 'link-out.txt' })).code).toBe('path_not_allowed');
  });

  it.skipIf(process.platform === 'win32')(
    'refuses a FIFO, a socket and a device at once, without waiting for a writer',
    async () => {
      const fifo = join(data, 'fifo.txt');
      execFileSync('mkfifo', [fifo]);
      const socket = createServer();
      await new Promise<void>((resolve) => socket.listen(join(data, 'socket.txt'), resolve));
      try {
        expect((await failTool(prepare(), { filename: 'fifo.txt' })).code).toBe('path_not_allowed');
        expect((await failTool(prepare(), { filename: 'socket.txt' })).code).toBe('path_not_allowed');
      } finally {
        rmSync(fifo);
        await new Promise((resolve) => socket.close(resolve));
      }
    },
  );

  it('never reads the file systems of the kernel, even where everything is allowed', async () => {
    const wide = prepare({ file_path: '{filename}', allowed_paths: ['/'] });
    for (const filename of ['/proc/self/environ', '/proc/1/cmdline', '/sys/kernel/notes', '/dev/null']) {
      expect((await failTool(wide, { filename })).code).toBe('path_not_allowed');
    }
    expect(() => prepare({ allowed_paths: ['/proc/self'] })).toThrow(/belongs to the kernel/);
  });

  it('never serves a file outside, whatever the argument is', async () => {
    const prepared = prepare();
    const piece = fc.constantFrom(
      '..',
      '.',
      '/',
      'outside',
      'secret.txt',
      'folder-out',
      'sub',
      'note.txt',
      '%2e',
      '\\',
      '\0',
      '~',
      '${filename}',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.boolean(), async (pieces, slashes) => {
        const outcome = await callTool(prepared, { filename: pieces.join(slashes ? '/' : '') }).catch(() => undefined);
        expect([undefined, 'héllo', 'deep']).toContain(outcome);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a swap between the check and the opening', () => {
  const rule = () => ({ written: [data], resolved: [data], extensions: undefined, max_bytes: 1000 });

  it('refuses a file that became a link', async () => {
    await expect(readOpened(join(data, 'link-out.txt'), rule())).rejects.toThrow(/ELOOP/);
  });

  it('refuses a folder above the file that became a link', async () => {
    await expect(readOpened(join(data, 'folder-out', 'secret.txt'), rule())).rejects.toMatchObject({
      code: 'path_not_allowed',
    });
  });

  it('never serves a file outside while a folder is swapped all the time', async () => {
    mkdirSync(join(data, 'swapped'));
    writeFileSync(join(data, 'swapped', 'secret.txt'), 'harmless');
    const swapper = new Worker(
      `const { renameSync, symlinkSync, rmSync } = require('node:fs');
       const { workerData: { folder, parked, outside, stop } } = require('node:worker_threads');
       while (!Atomics.load(stop, 0)) {
         renameSync(folder, parked); symlinkSync(outside, folder);
         rmSync(folder); renameSync(parked, folder);
       }`,
      {
        eval: true,
        workerData: {
          folder: join(data, 'swapped'),
          parked: join(data, 'parked'),
          outside: join(folder, 'outside'),
          stop: new Int32Array(new SharedArrayBuffer(4)),
        },
      },
    );
    const prepared = prepare();
    const outcomes = new Set<unknown>();
    for (let round = 0; round < 1500; round += 1) {
      outcomes.add(await callTool(prepared, { filename: 'swapped/secret.txt' }).catch(() => 'refused'));
    }
    await swapper.terminate();
    expect(outcomes).not.toContain(secret);
    expect(outcomes).toContain('harmless');
    expect(outcomes).toContain('refused');
  });

  it('reads the old file to its end when a new one is renamed over it', async () => {
    writeFileSync(join(data, 'list.txt'), 'old');
    const prepared = prepare();
    for (let round = 0; round < 50; round += 1) {
      writeFileSync(join(data, 'list.new'), 'new');
      const reading = callTool(prepared, { filename: 'list.txt' });
      renameSync(join(data, 'list.new'), join(data, 'list.txt'));
      expect(['old', 'new']).toContain(await reading);
    }
  });
});

describe('what a text tool reads', () => {
  it('sets a maximum file size, to the byte', async () => {
    writeFileSync(join(data, 'ten.txt'), '0123456789');
    expect(await callTool(prepare({ max_size: 10 }), { filename: 'ten.txt' })).toBe('0123456789');
    expect((await failTool(prepare({ max_size: 9 }), { filename: 'ten.txt' })).code).toBe('upstream_too_large');
  });

  it("holds the manual's own bound beside max_size", async () => {
    const prepared = protocols.prepare(template(), {
      inputs: inputsOf('filename'),
      settings: { max_response_bytes: 3 },
    });
    expect((await failTool(prepared, { filename: 'note.txt' })).code).toBe('upstream_too_large');
  });

  it('validates file extensions, of the file that a link leads to', async () => {
    const prepared = prepare({ allowed_extensions: ['.TXT', '.md'] });
    expect(await callTool(prepared, { filename: 'note.txt' })).toBe('héllo');
    expect((await failTool(prepared, { filename: 'key.pem' })).code).toBe('path_not_allowed');
    expect((await failTool(prepared, { filename: 'disguised.txt' })).code).toBe('path_not_allowed');
    expect(prepared.binding.notices).toEqual([]);
    expect(prepare().binding.notices.map((notice) => notice.rule)).toEqual(['extensions-open']);
  });

  it.each([
    ['utf-8', Buffer.from([0x61, 0xff])],
    ['utf-8', Buffer.from([0xed, 0xa0, 0x80])],
    ['utf-16le', Buffer.from([0x00, 0xd8])],
    ['utf-16le', Buffer.from([0x61, 0x00, 0x62])],
    ['ascii', Buffer.from([0x61, 0x80])],
  ])('refuses bytes that are not %s, and replaces none', async (encoding, bytes) => {
    writeFileSync(join(data, 'bytes.txt'), bytes);
    expect((await failTool(prepare({ encoding }), { filename: 'bytes.txt' })).code).toBe('upstream_invalid');
  });

  it.each([
    ['utf-8', Buffer.from('\uFEFFé'), 'é'],
    ['UTF8', Buffer.from('é'), 'é'],
    ['utf-16le', Buffer.from('é', 'utf16le'), 'é'],
    ['latin1', Buffer.from([0xe9, 0x80]), 'é\u0080'],
    ['ISO-8859-1', Buffer.from([0xe9]), 'é'],
    ['us-ascii', Buffer.from('e'), 'e'],
  ])('reads %s', async (encoding, bytes, text) => {
    writeFileSync(join(data, 'bytes.txt'), bytes);
    expect(await callTool(prepare({ encoding }), { filename: 'bytes.txt' })).toBe(text);
  });

  it('gives JSON as a text unless the template says parse: json', async () => {
    writeFileSync(join(data, 'list.json'), '{ "a": [1] }');
    expect(await callTool(prepare(), { filename: 'list.json' })).toBe('{ "a": [1] }');
    expect(await callTool(prepare({ parse: 'json' }), { filename: 'list.json' })).toEqual({ a: [1] });
    expect((await failTool(prepare({ parse: 'json' }), { filename: 'note.txt' })).code).toBe('upstream_invalid');
  });

  it('answers 400 for an argument that names no file, and reports a missing fixed file', async () => {
    const absent = await failTool(prepare(), { filename: 'absent.txt' });
    expect([absent.status, absent.code, absent.details.errors]).toEqual([
      400,
      'invalid_input',
      [{ pointer: '/filename', message: 'names no file' }],
    ]);
    expect((await failTool(prepare(), { filename: 'note.txt/deeper' })).code).toBe('invalid_input');
    expect((await failTool(prepare(), { filename: 'n'.repeat(5000) })).code).toBe('invalid_input');
    expect((await failTool(prepare(), {})).code).toBe('invalid_input');
    const fixed = prepare({ file_path: join(data, 'gone.txt'), allowed_paths: undefined });
    expect((await failTool(fixed)).code).toBe('upstream_failed');
    expect(protocols.reports).toEqual([
      { kind: 'failed', upstream: 'gone.txt', tool: 'test.tool', reason: 'file_missing' },
    ]);
  });

  it('ends a call whose caller has gone', async () => {
    const scope = new CallScope('request-1', 1000, 'alice');
    scope.cancel('client_aborted');
    await expect(prepare().call({ filename: 'note.txt' }, scope)).rejects.toMatchObject({ code: 'client_aborted' });
  });

  it('leaves no descriptor open after 1,000 calls in a row and 200 at once, refusals included', async () => {
    const prepared = prepare({ max_size: 5 });
    const names = ['note.txt', 'sub/deep.txt', 'link-out.txt', 'sub', 'absent.txt'];
    const before = openDescriptors();
    for (let round = 0; round < 1000; round += 1) {
      await callTool(prepared, { filename: names[round % names.length] ?? '' }).catch(() => undefined);
    }
    await Promise.all(
      Array.from({ length: 200 }, (_, round) =>
        callTool(prepared, { filename: names[round % names.length] ?? '' }).catch(() => undefined),
      ),
    );
    expect(openDescriptors()).toBeLessThanOrEqual(before);
  });

  it('reads a hard link as the file that it is (documented: nothing tells the two apart)', async () => {
    linkSync(join(folder, 'outside', 'secret.txt'), join(data, 'hard.txt'));
    expect(await callTool(prepare(), { filename: 'hard.txt' })).toBe(secret);
    rmSync(join(data, 'hard.txt'));
  });
});

describe('loading a text tool', () => {
  it('refuses a path with an argument and no allowed_paths', () => {
    expect(() => prepare({ allowed_paths: undefined })).toThrow(/allowed_paths is missing/);
  });

  it('refuses an allowed directory that a caller would choose, or that is missing', () => {
    expect(() => prepare({ allowed_paths: [`${data}/{filename}`] })).toThrow(/a caller would choose it/);
    expect(() => prepare({ allowed_paths: [join(folder, 'absent')] })).toThrow(LoadError);
  });

  it.each(['/', '/etc', '/usr'])('warns of %s as an allowed directory', (directory) => {
    const prepared = prepare({ file_path: '{filename}', allowed_paths: [directory], allowed_extensions: ['.txt'] });
    expect(prepared.binding.notices).toMatchObject([{ rule: 'directory-broad', severity: 'warning' }]);
  });

  it('lets a fixed path without allowed_paths lead to its own directory alone', async () => {
    const fixed = (name: string) => prepare({ file_path: join(data, name), allowed_paths: undefined });
    expect(await callTool(fixed('note.txt'))).toBe('héllo');
    expect((await failTool(fixed('link-out.txt'))).code).toBe('path_not_allowed');
  });

  it('starts a relative path at the folder of the manual', async () => {
    const prepared = protocols.prepare(template({ file_path: './data/{filename}', allowed_paths: ['data'] }), {
      inputs: inputsOf('filename'),
      base_dir: folder,
    });
    expect(await callTool(prepared, { filename: 'note.txt' })).toBe('héllo');
    expect(relative(folder, data)).toBe('data');
  });

  it.each([
    ['an unknown field', { follow_links: true }],
    ['both a path and a content', { content: 'x' }],
    ['neither', { file_path: undefined }],
    ['an unknown encoding', { encoding: 'utf-7' }],
    ['an extension without a dot', { allowed_extensions: ['txt'] }],
    ['a size of nothing', { max_size: 0 }],
    ['credentials', { auth: { auth_type: 'basic', username: 'a', password: 'b' } }],
  ])('refuses %s', (_name, over) => {
    expect(() => prepare(over)).toThrow(LoadError);
  });

  it("serves UTCP 1.1's content as it stands, braces and dollars included", async () => {
    const prepared = protocols.prepare({ call_template_type: 'text', content: 'Pay {sum} in ${CURRENCY} $$' });
    expect(await callTool(prepared)).toBe('Pay {sum} in ${CURRENCY} $$');
    const broken = { call_template_type: 'text', content: '{', parse: 'json' };
    expect(() => protocols.prepare(broken)).toThrow(/the content is not JSON/);
  });

  it('loads and runs the example of its page', async () => {
    const base = join(folder, 'example');
    mkdirSync(join(base, 'notes'), { recursive: true });
    writeFileSync(join(base, 'notes', 'first.md'), '# First');
    const [note, hours] = readExampleTools('protocols/text.md').map((tool) =>
      protocols.prepare(tool.tool_call_template, { inputs: tool.inputs, base_dir: base }),
    );
    if (!note || !hours) throw new Error('The page has two tools.');
    expect(await callTool(note, { filename: 'first.md' })).toBe('# First');
    expect((await failTool(note, { filename: '../../outside/secret.txt' })).code).toBe('path_not_allowed');
    expect(await callTool(hours)).toEqual({ monday: '9-17', sunday: null });
    expect(note.binding.notices).toEqual([]);
    expect(readExampleEntries('protocols/text.md').map((entry) => entry.name)).toEqual(['library']);
  });
});
