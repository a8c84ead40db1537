import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CallScope, type CallTemplate, type Json, LoadError } from '../../src/core/index.js';
import { type BindingOptions, inputsOf } from '../support/binding.js';
import { readExampleEntries, readExampleTools } from '../support/page.js';
import { eventually, processesWith } from '../support/processes.js';
import { callTool, createTestProtocols, failTool } from '../support/protocol.js';
import { describeWithProgram } from '../support/requirement.js';

type Fields = Readonly<Record<string, Json>>;

let folder = '';
let showArguments = '';
let protocols = createTestProtocols();

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-cli-'));
  showArguments = join(folder, 'show-arguments');
  writeFileSync(showArguments, '#!/bin/sh\nfor argument in "$@"; do printf "[%s]" "$argument"; done\n');
  mkdirSync(join(folder, 'collection'));
  writeFileSync(join(folder, 'collection', 'poem.txt'), 'one two\nthree -x\n');
  for (const path of [folder, showArguments, join(folder, 'collection')]) chmodSync(path, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  protocols = createTestProtocols();
});
afterEach(() => protocols.close());

function prepare(fields: Fields, inputs: readonly string[] = [], options: BindingOptions = {}) {
  const template: CallTemplate = { ...fields, call_template_type: 'cli' };
  return protocols.prepare(template, { inputs: inputsOf(...inputs), base_dir: folder, ...options });
}

/** What the program sees of arguments: each in brackets. */
async function argumentsOf(args: readonly string[], values: Fields, inputs = Object.keys(values)): Promise<unknown> {
  return callTool(prepare({ command: showArguments, args }, inputs), values);
}

function shell(script: string, fields: Fields = {}, options: BindingOptions = {}) {
  return prepare({ command: '/bin/sh', args: ['-c', script], ...fields }, [], options);
}

describeWithProgram('bwrap', 'a cli tool', () => {
  describe('uses absolute paths for commands', () => {
    it.each(['true', './true', '../bin/true', ''])('refuses the command %j', (command) => {
      expect(() => prepare({ command })).toThrow(LoadError);
    });

    it('refuses a command that a caller would choose', () => {
      expect(() => prepare({ command: '/usr/bin/{program}' }, ['program'])).toThrow(/absolute path of a program/);
      expect(() => prepare({ commands: [{ command: 'UTCP_ARG_p_UTCP_END' }] }, ['p'])).toThrow(/absolute path/);
    });

    it('refuses a program of UTCP 1.1 without its path, `cd` included', () => {
      expect(() => prepare({ commands: [{ command: 'cd /tmp' }] })).toThrow(/absolute path of a program/);
    });
  });

  describe('sanitizes all input parameters (GHSA-33p6-5jxp-p3x4)', () => {
    it.each([
      'a b  c',
      '$(id)',
      '`id`',
      '; id',
      '| id',
      '&& id',
      '> /tmp/x',
      "' ; id '",
      '" ; id "',
      '\n id',
      '\\',
      '*',
      '',
      '${UTCP_OTHER}',
      '{other}',
      'UTCP_ARG_other_UTCP_END',
    ])('hands the program %j as one argument, unread by any shell', async (value) => {
      const values = { value, other: 'expanded' };
      const guide = prepare({ command: showArguments, args: ['{value}', 'end'] }, ['value', 'other']);
      expect(await callTool(guide, values)).toBe(`[${value}][end]`);
      const steps = prepare({ commands: [{ command: `${showArguments} UTCP_ARG_value_UTCP_END end` }] }, [
        'value',
        'other',
      ]);
      expect(await callTool(steps, values)).toBe(`[${value}][end]`);
    });

    it.each(['-x', '--help', '--', '-', '-5', '-\u0000'])(
      'refuses the value %j where it would be an option',
      async (value) => {
        const call = prepare({ command: showArguments, args: ['--input', '{value}'] }, ['value']);
        const error = await failTool(call, { value });
        expect([error.code, error.details.errors?.[0]?.pointer]).toEqual(['invalid_input', '/value']);
      },
    );

    it('refuses a negative number and a value that follows an empty one alike', async () => {
      const call = prepare({ command: showArguments, args: ['{a}{b}'] }, ['a', 'b']);
      expect((await failTool(call, { a: '', b: '-x' })).code).toBe('invalid_input');
      expect((await failTool(call, { a: -5, b: '' })).code).toBe('invalid_input');
      expect(await callTool(call, { a: 'x', b: '-y' })).toBe('[x-y]');
    });

    it('lets a value begin with - after --, and where it is attached to an option or a text', async () => {
      expect(await argumentsOf(['--', '{v}'], { v: '-x' })).toBe('[--][-x]');
      expect(await argumentsOf(['--input={v}'], { v: '-x' })).toBe('[--input=-x]');
      expect(await argumentsOf(['name:{v}'], { v: '-x' })).toBe('[name:-x]');
    });

    it.each(['-{v}', '--{v}', '-n{v}', '--in{v}', '--{v}=x'])(
      'fails the load for %j, where a value would name the option',
      (element) => {
        expect(() => prepare({ command: showArguments, args: [element] }, ['v'])).toThrow(/choose the option/);
      },
    );

    it('refuses NUL, malformed Unicode and what is too long for the host', async () => {
      const call = prepare({ command: showArguments, args: ['{v}'] }, ['v']);
      for (const v of ['a\0b', '\ud800', 'x'.repeat(131_072)]) {
        expect((await failTool(call, { v })).code).toBe('invalid_input');
      }
      expect(await callTool(call, { v: 'é'.repeat(1000) })).toBe(`[${'é'.repeat(1000)}]`);
    });

    it('leaves out an absent argument and the lone option before it', async () => {
      const args = ['-v', '--lines', '{n}', '--name={m}', '{rest}', '--', '{last}'];
      const inputs = ['n', 'm', 'rest', 'last'];
      expect(await argumentsOf(args, {}, inputs)).toBe('[-v][--]');
      expect(await argumentsOf(args, { n: 3 }, inputs)).toBe('[-v][--lines][3][--]');
      expect(await argumentsOf(args, { m: 'x', last: 'z' }, inputs)).toBe('[-v][--name=x][--][z]');
    });

    it('writes a value that is no string as JSON, in one argument', async () => {
      expect(await argumentsOf(['{v}'], { v: { a: [1, 'b c'] } })).toBe('[{"a":[1,"b c"]}]');
      expect(await argumentsOf(['{v}'], { v: true })).toBe('[true]');
    });

    it('never makes more or other arguments of a value, whatever it is', async () => {
      const call = prepare({ command: '/usr/bin/printf', args: ['%s|', 'x{v}', 'end'] }, ['v']);
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 30 }), async (v) => {
          const outcome = await callTool(call, { v }).catch(() => undefined);
          expect(outcome === undefined ? v.includes('\0') : outcome === `x${v}|end|`).toBe(true);
        }),
        { numRuns: 25 },
      );
    });

    it('substitutes a variable in one argument, whatever it holds', async () => {
      const variables = { UTCP_WORD: 'two words; id', UTCP_LINES: 'a\nb' };
      const call = prepare({ command: showArguments, args: ['${UTCP_WORD}', '${UTCP_LINES}'] }, [], { variables });
      expect(await callTool(call)).toBe('[two words; id][a\nb]');
    });
  });

  describe('runs in a sandboxed environment', () => {
    it('sees neither the files nor the network of the host', async () => {
      const call = shell('cat /etc/passwd /etc/hostname; ls /home /root; ls /sys/class/net; exit 0');
      expect(await callTool(call)).toBe('');
    });

    it('says in every check that a sandbox is switched off', () => {
      expect(shell(':').binding.notices).toEqual([]);
      const { binding } = shell(':', {}, { settings: { sandbox: 'none' } });
      expect(binding.notices.map((notice) => notice.rule)).toEqual(['sandbox-none']);
    });

    it('says at load which file among the arguments the sandbox does not show, and how to show it', () => {
      const poem = join(folder, 'collection', 'poem.txt');
      const noticesOf = (arg: string, more: object = {}) =>
        prepare({ command: '/bin/cat', args: ['-n', arg], ...more }).binding.notices;
      const pointer = '/tools/0/tool_call_template/args/1';
      for (const arg of [poem, 'collection/poem.txt']) {
        expect(noticesOf(arg)).toMatchObject([{ rule: 'sandbox-hides-file', severity: 'warning', pointer }]);
      }
      expect(noticesOf(poem, { read_only_paths: [folder] })).toEqual([]);
      expect(noticesOf('poem.txt', { working_directory: './collection' })).toEqual([]);
      for (const arg of [
        '/usr/bin/env',
        '/etc/alternatives',
        '/',
        '/tmp',
        '/dev/null',
        'collection',
        '/no/such/file',
      ]) {
        expect(noticesOf(arg), arg).toEqual([]);
      }
    });

    it('works in its directory, read-only unless the template says writable', async () => {
      const work = join(folder, 'collection');
      const script = 'cat poem.txt; echo new > new.txt && echo written; rm -f new.txt';
      expect(await callTool(shell(script, { working_directory: './collection' }))).toBe('one two\nthree -x\n');
      chmodSync(work, 0o777);
      const writable = shell(script, { working_directory: './collection', writable_paths: [work] });
      expect(await callTool(writable)).toContain('written');
      chmodSync(work, 0o755);
    });

    it('holds the limits that the template states', async () => {
      const bomb = 'my $n=0; while(1){my $p=fork; last unless defined $p; if(!$p){sleep 9; exit} $n++} print $n';
      const call = prepare({
        command: '/usr/bin/perl',
        args: ['-e', bomb, `cli-bomb-${process.pid}`],
        limits: { processes: 10 },
      });
      expect(Number(await callTool(call))).toBeLessThan(10);
      expect(processesWith(`cli-bomb-${process.pid}`)).toEqual([]);
    });

    it('refuses to work in the root of the host, and warns of a broad directory', () => {
      expect(() => shell(':', { working_directory: '/' })).toThrow(/must not be shown/);
      expect(shell(':', { working_directory: '/usr' }).binding.notices).toMatchObject([{ rule: 'directory-broad' }]);
    });
  });

  describe('limits environment variables (CVE-2026-45369, GHSA-5v57-8rxj-3p2r)', () => {
    it.each(['required', 'none'] as const)('hands on none of the server, with sandbox %s', async (sandbox) => {
      process.env.UTCP_CLI_CANARY = 'canary-in-the-server';
      const call = shell('env', { environment: { NAMED: 'yes' } }, { settings: { sandbox } });
      expect(
        String(await callTool(call))
          .trim()
          .split('\n')
          .sort(),
      ).toEqual(['NAMED=yes', 'PWD=/tmp']);
    });

    it('refuses to inherit, as UTCP 1.1 would let it', () => {
      const step = { commands: [{ command: '/usr/bin/env' }] };
      expect(() => prepare({ ...step, inherit_env_vars: ['PATH'] })).toThrow(/Nothing is inherited/);
      expect(() => prepare({ ...step, inherit_env_vars: [], env_vars: null })).not.toThrow();
    });

    it('substitutes variables in values, keeps arguments out, and names a missing one', async () => {
      const variables = { UTCP_TOKEN: 'a token' };
      const call = shell('env', { environment: { TOKEN: '${UTCP_TOKEN}', BRACE: '{name}' } }, { variables });
      expect(
        String(await callTool(call))
          .split('\n')
          .sort(),
      ).toContain('TOKEN=a token');
      expect(() => shell('env', { environment: { TOKEN: '${UTCP_ABSENT}' } })).toThrow(/UTCP_ABSENT/);
    });

    it.each(['A=B', 'A B', '', '1A', 'A\0'])('refuses the name %j', (name) => {
      expect(() => shell('env', { environment: { [name]: 'x' } })).toThrow(LoadError);
    });
  });

  describe('sets strict timeouts', () => {
    it.each(['required', 'none'] as const)(
      'ends the program and its grandchildren, with sandbox %s',
      async (sandbox) => {
        const marker = `41.${sandbox.length}${process.pid}`;
        const call = shell(`sh -c 'sleep ${marker} & sleep ${marker}'`, { timeout: 0.3 }, { settings: { sandbox } });
        const begin = performance.now();
        const error = await failTool(call);
        expect([error.code, error.status]).toEqual(['upstream_timeout', 504]);
        expect(performance.now() - begin).toBeLessThan(2500);
        expect(
          await eventually(
            () => processesWith(marker),
            (left) => left.length === 0,
          ),
        ).toEqual([]);
        expect(protocols.reports).toMatchObject([{ kind: 'failed', upstream: 'sh', reason: 'upstream_timeout' }]);
      },
    );

    it("can shorten the tool's timeout and not lengthen it", async () => {
      const begin = performance.now();
      expect((await failTool(shell('sleep 9', { timeout: 60 }, { timeout_ms: 200 }))).code).toBe('upstream_timeout');
      expect(performance.now() - begin).toBeLessThan(2500);
    });

    it('counts all programs of a template together', async () => {
      const commands = [1, 2, 3].map(() => ({ command: '/usr/bin/sleep 0.2' }));
      expect((await failTool(prepare({ commands, timeout: 0.45 }))).code).toBe('upstream_timeout');
    });

    it('ends the program at once when its caller goes away', async () => {
      const scope = new CallScope('request-1', 10_000, 'alice');
      const running = shell(`sleep 42.${process.pid}`).call({}, scope);
      await eventually(
        () => processesWith(`42.${process.pid}`),
        (found) => found.length > 0,
      );
      scope.cancel('client_aborted');
      await expect(running).rejects.toMatchObject({ code: 'client_aborted' });
      expect(processesWith(`42.${process.pid}`)).toEqual([]);
    });
  });

  describe('validates exit codes', () => {
    it('refuses every code that is not allowed, and serves nothing that the program said', async () => {
      const error = await failTool(shell('echo secret-output; echo secret-error >&2; exit 3'));
      expect([error.code, error.status, error.reason]).toEqual(['upstream_failed', 502, 'exit_code']);
      expect(JSON.stringify([error.details, error.title])).not.toContain('secret');
      expect(protocols.reports).toEqual([{ kind: 'failed', upstream: 'sh', tool: 'test.tool', reason: 'exit_code' }]);
    });

    it('takes the codes that the template allows', async () => {
      expect(await callTool(shell('echo none; exit 1', { allowed_exit_codes: [0, 1] }))).toBe('none\n');
      expect((await failTool(shell('exit 0', { allowed_exit_codes: [1] }))).reason).toBe('exit_code');
    });

    it('never takes a program that a limit ended for one that ended well', async () => {
      const call = shell('while :; do :; done', { limits: { cpu_seconds: 1 } });
      expect((await failTool(call)).code).toBe('upstream_failed');
    });
  });

  describe('uses minimal user permissions', () => {
    it.each(['required', 'none'] as const)(
      'is never root and holds no capability, with sandbox %s',
      async (sandbox) => {
        const call = shell('id -u; grep CapEff /proc/self/status', {}, { settings: { sandbox } });
        const printed = String(await callTool(call));
        expect(printed).not.toMatch(/^0\n/);
        expect(printed).toMatch(/CapEff:\s0+\n$/);
      },
    );

    it('refuses root as run_as', () => {
      expect(() => shell(':', { run_as: { uid: 0, gid: 0 } })).toThrow(LoadError);
    });
  });

  describe('gives its result', () => {
    it('as the standard output in a JSON string, and never the standard error', async () => {
      expect(await callTool(shell('echo "a \\"quote\\""; echo error >&2'))).toBe('a "quote"\n');
    });

    it('as JSON where the template says so', async () => {
      expect(await callTool(shell(`echo '{"a": [1]}'`, { output: 'json' }))).toEqual({ a: [1] });
      expect((await failTool(shell('echo no', { output: 'json' }))).code).toBe('upstream_invalid');
    });

    it('refuses output that is not UTF-8 or longer than its cap', async () => {
      expect((await failTool(shell("printf '\\377'"))).code).toBe('upstream_invalid');
      const endless = shell('yes', { max_output_bytes: 5000 });
      expect((await failTool(endless)).code).toBe('upstream_too_large');
      const bounded = shell('echo 12345', {}, { settings: { max_response_bytes: 3 } });
      expect((await failTool(bounded)).code).toBe('upstream_too_large');
    });
  });

  describe("takes UTCP 1.1's commands", () => {
    it('runs them one after the other and shows the last, or those that say so', async () => {
      const commands = ['/usr/bin/echo one', '/usr/bin/echo two', '/usr/bin/echo three'].map((command) => ({
        command,
      }));
      expect(await callTool(prepare({ commands }))).toBe('three\n');
      const [one, two, three] = commands;
      const shown = [{ ...one, append_to_final_output: true }, { ...two, append_to_final_output: null }, { ...three }];
      expect(await callTool(prepare({ commands: shown }))).toBe('one\nthree\n');
    });

    it('ends at the first that fails', async () => {
      const commands = [{ command: '/usr/bin/false' }, { command: '/usr/bin/echo reached' }];
      expect((await failTool(prepare({ commands }))).reason).toBe('exit_code');
    });
  });

  it.each([
    ['an unknown field', { shell: true }],
    ['both shapes', { commands: [{ command: '/bin/true' }] }],
    ['two environments', { environment: {}, env_vars: {} }],
    ['two directories', { working_directory: '/usr', working_dir: '/usr' }],
    ['a timeout of nothing', { timeout: 0 }],
    ['an exit code beyond 255', { allowed_exit_codes: [256] }],
    ['no exit code', { allowed_exit_codes: [] }],
    ['credentials', { auth: { auth_type: 'api_key', api_key: 'x' } }],
    ['a relative path to show', { read_only_paths: ['tools'] }],
    ['a missing directory', { working_directory: './absent' }],
  ])('fails the load for %s', (_name, fields) => {
    expect(() => prepare({ command: '/bin/true', ...fields })).toThrow(LoadError);
  });

  it('loads and runs the example of its page', async () => {
    const [count, find] = readExampleTools('protocols/cli.md').map((tool) =>
      protocols.prepare(tool.tool_call_template, { inputs: tool.inputs, base_dir: folder }),
    );
    if (!count || !find) throw new Error('The page has two tools.');
    expect(await callTool(count, { file: 'poem.txt' })).toMatch(/^\s*2\s+4\s+17 poem.txt\n$/);
    expect(await callTool(find, { text: '-x', most: 5 })).toBe('poem.txt:three -x\n');
    expect(await callTool(find, { text: 'absent' })).toBe('');
    expect(readExampleEntries('protocols/cli.md').map((entry) => entry.sandbox)).toEqual(['required']);
  });
});
