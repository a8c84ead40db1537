import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCommands } from '../../src/cli/run.js';
import { runCommand } from '../support/io.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-cli-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const names = (await loadCommands()).map(({ name }) => name);

describe('the command line', () => {
  it.each(names)('%s --help says what it does, and exits 0', async (name) => {
    const { code, out } = await runCommand([name, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: gatehouse ${name}`);
  });

  it('exits 2 for no command, an unknown one and an unknown option, and says what there is', async () => {
    expect((await runCommand([])).code).toBe(2);
    const unknown = await runCommand(['serv']);
    expect([unknown.code, unknown.err.includes('there is no command serv')]).toEqual([2, true]);
    const option = await runCommand(['check', '--confg', 'x']);
    expect([option.code, option.err.includes('--confg')]).toEqual([2, true]);
  });

  it('exits 2 for a configuration that is not there, and says how to get one', async () => {
    const { code, err } = await runCommand(['check', '--config', join(directory, 'none.yaml')]);
    expect(code).toBe(2);
    expect(err).toMatch(/none\.yaml.*no such configuration file[\s\S]*gatehouse init/);
  });

  it('check exits 1 for a configuration that fails, and names file, line, pointer, problem and mend', async () => {
    const file = join(directory, 'typo.yaml');
    await writeFile(file, 'server:\n  port: 0\n  publc_url: https://x.example\n');
    const { code, err } = await runCommand(['check', '--config', file]);
    expect(code).toBe(1);
    expect((await runCommand(['manual', '--as', 'me', '--config', file])).code).toBe(2);
    expect(err).toContain(`${file}:3 /server/publc_url: error: Unknown key publc_url.`);
    expect(err).toContain('Did you mean public_url?');
    const json = await runCommand(['check', '--config', file, '--json']);
    expect(JSON.parse(json.out).findings).toMatchObject([
      {
        rule: 'config-unknown-key',
        severity: 'error',
        pointer: '/server/publc_url',
        line: 3,
        mend: expect.any(String),
      },
    ]);
  });

  it('check exits 2 for a configuration or manual that cannot be read', async () => {
    const file = join(directory, 'broken.yaml');
    await writeFile(file, 'manuals: [\n');
    expect((await runCommand(['check', '--config', file])).code).toBe(2);
    await writeFile(file, 'manuals: [{ name: m, source: ./none.yaml }]\n');
    expect((await runCommand(['check', '--config', file])).code).toBe(2);
  });
});

describe('gatehouse init', () => {
  it('writes a configuration that passes its own check, and shows the key once', async () => {
    const root = join(directory, 'fresh');
    const { code, out } = await runCommand(['init', root]);
    expect(code).toBe(0);
    const key = /gh_\S+/.exec(out)?.[0] ?? '';
    const file = join(root, 'config/gatehouse.yaml');
    expect(await readFile(file, 'utf8')).not.toContain(key);
    const check = await runCommand(['check', '--config', file]);
    expect([check.code, check.err]).toEqual([0, '']);
  });

  it('names another source and gives a narrower role when it is told to, and writes no example then', async () => {
    const root = join(directory, 'sourced');
    const { code, out } = await runCommand(['init', root, '--source', './shop.json', '--role', 'reader']);
    const config = await readFile(join(root, 'config/gatehouse.yaml'), 'utf8');
    expect([code, out.includes(join(root, 'config/shop.json'))]).toEqual([0, true]);
    expect([config.includes('source: "./shop.json"'), config.includes('roles: [reader]')]).toEqual([true, true]);
    await expect(readFile(join(root, 'config/manuals/my_api.yaml'))).rejects.toThrow('ENOENT');
    expect((await runCommand(['init', join(directory, 'roled'), '--role', 'owner'])).code).toBe(2);
  });

  it('never writes over what is there without --force', async () => {
    const root = join(directory, 'twice');
    await runCommand(['init', root]);
    const again = await runCommand(['init', root]);
    expect([again.code, again.err.includes('--force')]).toEqual([2, true]);
    expect((await runCommand(['init', root, '--force'])).code).toBe(0);
  });
});

describe('gatehouse check', () => {
  it('exits 1 and says which tool fails which item of the guide’s checklist', async () => {
    const root = join(directory, 'bad');
    await runCommand(['init', root]);
    const manual = join(root, 'config/manuals/my_api.yaml');
    const text = await readFile(manual, 'utf8');
    await writeFile(
      manual,
      text.replace('timeout: 10', 'auth: { auth_type: api_key, api_key: s3cr3t-key, var_name: X, location: header }'),
    );
    const { code, out } = await runCommand(['check', '--config', join(root, 'config/gatehouse.yaml')]);
    expect(code).toBe(1);
    expect(out).toContain('my_api.get_item has a credential written out');
    expect(out).not.toContain('s3cr3t-key');
    const json = await runCommand(['check', '--config', join(root, 'config/gatehouse.yaml'), '--json']);
    const report = JSON.parse(json.out);
    expect(report.findings.map(({ rule }: { rule: string }) => rule)).toContain('checklist-credentials');
    expect(report.checklist.filter(({ list }: { list: string }) => list === 'provider')).toHaveLength(9);
  });

  it('passes the embedded default', async () => {
    expect((await runCommand(['check', '--config', 'config/gatehouse.yaml'])).code).toBe(0);
  });
});

describe('gatehouse explain and manual --as', () => {
  it('answer from the function that enforces', async () => {
    const config = ['--config', 'config/gatehouse.yaml'];
    const explain = await runCommand(['explain', 'reader', 'books.create_book', ...config, '--json']);
    expect(JSON.parse(explain.out)).toMatchObject({ caller: 'reader', tool: 'books.create_book', verdict: 'hidden' });
    const manual = await runCommand(['manual', '--as', 'reader', ...config, '--json']);
    expect(JSON.parse(manual.out).tools.map(({ name }: { name: string }) => name)).toEqual(['list_books', 'get_book']);
    const stranger = await runCommand(['manual', '--as', 'nobody', ...config]);
    expect([stranger.code, stranger.err.includes('Configured: reader, editor')]).toEqual([2, true]);
  });
});

describe('gatehouse explain', () => {
  it('says what a token would be given, and refuses what names no one', async () => {
    const root = join(directory, 'explain');
    await runCommand(['init', root]);
    const file = join(root, 'config/gatehouse.yaml');
    const unknown = await runCommand(['explain', 'x', 'my_api.get_item', '--claims', '{}', '--config', file]);
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('No such issuer is configured')]);
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      `${text}\nauth:\n  jwt: [{ issuer: local, audience: here, secret_variable: UTCP_JWT_SECRET, algorithms: [HS256], roles_claim: groups, roles_map: { staff: [reader] } }]\n`,
    );
    const environment = { UTCP_JWT_SECRET: 'x'.repeat(40) };
    const asToken = async (claims: object) => {
      const args = ['explain', 'stranger', 'my_api.get_item', '--claims', JSON.stringify(claims)];
      return runCommand([...args, '--config', file, '--json'], { environment });
    };
    expect(JSON.parse((await asToken({ groups: ['staff'] })).out)).toMatchObject({
      credential: 'jwt',
      verdict: 'callable',
    });
    expect(JSON.parse((await asToken({ groups: ['guests'] })).out)).toMatchObject({ verdict: 'hidden' });
    const narrowed = await asToken({ groups: ['staff'], scope: 'tools:read' });
    expect(JSON.parse(narrowed.out)).toMatchObject({ verdict: 'visible', required_scope: 'tools:execute' });
    expect((await asToken({ scope: 7 })).code).toBe(2);
    for (const args of [
      ['--credential', 'oauth'],
      ['--credential', 'x'],
      ['--issuer', 'x'],
      ['--claims', '[]'],
    ]) {
      const { code } = await runCommand(['explain', 'me', 'my_api.get_item', ...args, '--config', file], {
        environment,
      });
      expect([args, code]).toEqual([args, 2]);
    }
  });
});

describe('gatehouse keys', () => {
  it('creates a key that shows once, rotates it without a gap, revokes it, and lists digests alone', async () => {
    const root = join(directory, 'keys');
    await runCommand(['init', root]);
    const config = ['--config', join(root, 'config/gatehouse.yaml')];
    const created = await runCommand(['keys', 'create', 'me', ...config]);
    expect([created.code, created.out]).toEqual([0, expect.stringMatching(/^gh_/)]);
    const rotated = await runCommand(['keys', 'rotate', 'me', '--grace', '1h', ...config]);
    expect(rotated.err).toContain('The old key goes on until');
    const listed = await runCommand(['keys', 'list', '--json', ...config]);
    expect(JSON.parse(listed.out).keys).toMatchObject([
      { slot: 'current', state: 'valid' },
      { slot: 'next', state: 'valid' },
    ]);
    expect(listed.out).not.toContain(created.out.trim());
    expect((await runCommand(['keys', 'revoke', 'me', ...config])).out).toContain('Revoked');
    expect((await runCommand(['keys', 'list', ...config])).out).toContain('No keys');
  });

  it('refuses a caller that is not configured, since such a key would grant nothing', async () => {
    const { code, err } = await runCommand(['keys', 'create', 'nobody', '--config', 'config/gatehouse.yaml']);
    expect([code, err.includes('There is no caller nobody')]).toEqual([2, true]);
  });
});

describe('gatehouse token', () => {
  it('signs with the local issuer, and says what to configure where there is none', async () => {
    const root = join(directory, 'token');
    await runCommand(['init', root]);
    const file = join(root, 'config/gatehouse.yaml');
    const none = await runCommand(['token', 'me', '--config', file]);
    expect([none.code, none.err.includes('secret_variable')]).toEqual([2, true]);
    const text = await readFile(file, 'utf8');
    await writeFile(
      file,
      `${text}\nauth:\n  jwt: [{ issuer: local, audience: here, secret_variable: UTCP_JWT_SECRET, algorithms: [HS256] }]\n`,
    );
    const environment = { UTCP_JWT_SECRET: 'x'.repeat(40) };
    const { code, out } = await runCommand(['token', 'me', '--scope', 'tools:read', '--config', file], { environment });
    expect(code).toBe(0);
    const claims = JSON.parse(Buffer.from(out.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ iss: 'local', aud: 'here', sub: 'me', scope: 'tools:read' });
    const stranger = await runCommand(['token', 'mee', '--config', file], { environment });
    expect([stranger.code, stranger.err]).toEqual([0, expect.stringContaining('There is no caller mee')]);
  });
});
