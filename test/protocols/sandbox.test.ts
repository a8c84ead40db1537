import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { LoadError } from '../../src/core/index.js';
import { defaultProcessLimits, prepareSandbox, type SandboxOptions } from '../../src/protocols/sandbox.js';
import { processesWith } from '../support/processes.js';
import { describeWithProgram } from '../support/requirement.js';
import { place, runProgram, runScript, sandboxOptions } from '../support/sandbox.js';

const perl = '/usr/bin/perl';
const mebibyte = 1_048_576;
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-sandbox-'));
  mkdirSync(join(folder, 'work'), { mode: 0o777 });
  writeFileSync(join(folder, 'work', 'note.txt'), 'a note');
  writeFileSync(join(folder, 'outside.txt'), 'out of sight');
  // A temporary folder is its owner's alone; the unprivileged user must reach what is below it.
  chmodSync(folder, 0o755);
  chmodSync(join(folder, 'work'), 0o777);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describeWithProgram('bwrap', 'the sandbox', () => {
  it('gives a program exactly the environment it names and nothing of the server (CVE-2026-45369)', async () => {
    process.env.UTCP_SANDBOX_CANARY = 'canary-in-the-server';
    const printed = await runScript('env; cat /proc/1/environ /proc/*/environ', { environment: { NAMED: 'yes' } });
    expect(printed).not.toContain('canary-in-the-server');
    const named = printed.split(/[\n\0]/).filter((line) => /^[A-Z_]+=/.test(line));
    expect([...new Set(named)].sort()).toEqual(['NAMED=yes', 'PWD=/tmp']);
  });

  it('keeps the values of the environment out of every command line of the host', async () => {
    const running = runScript('sleep 0.5', { environment: { SECRET: 'secret-on-a-command-line' } });
    expect(processesWith('secret-on-a-command-line')).toEqual([]);
    await running;
  });

  it('applies a loader variable of the template to the program and not to the sandbox itself', async () => {
    const printed = await runScript('echo through', { environment: { LD_PRELOAD: '/nonexistent/evil.so' } });
    expect(printed).toContain('through');
  });

  it('runs as an unprivileged user without any capability', async () => {
    const printed = await runScript('id -u; cat /proc/self/status');
    expect(printed).toMatch(/^65534\n/);
    expect(printed).toMatch(/CapEff:\s0+\n/);
    expect(printed).toMatch(/CapBnd:\s0+\n/);
    expect(printed).toMatch(/NoNewPrivs:\s1\n/);
  });

  it.each(['/etc/shadow', '/etc/passwd', '/root', '/home', '/var', '/run', '/sys', '/proc/kcore'])(
    'cannot read %s of the host',
    async (path) => {
      expect(await runScript(`cat ${path} 2>/dev/null || ls ${path}/* 2>/dev/null`)).toBe('');
    },
  );

  it('cannot see what is beside its working directory', async () => {
    const printed = await runScript('cat note.txt; cat ../outside.txt; ls ..', {
      working_directory: join(folder, 'work'),
    });
    expect(printed).toBe('a notework\n');
  });

  it.each(['/', '/usr', '/etc', '/dev', '/proc/sys/kernel'])('cannot write to %s', async (path) => {
    expect(await runScript(`echo x > ${path}/gatehouse-escape && echo written`)).toBe('');
  });

  it('reads its working directory and cannot write to it unless the template says so', async () => {
    const work = join(folder, 'work');
    const script = 'echo new > new.txt && cat new.txt; rm -f new.txt';
    expect(await runScript(script, { working_directory: work })).toBe('');
    expect(await runScript(script, { working_directory: work, writable_paths: [work] })).toBe('new\n');
  });

  it('has a private /tmp that is empty at the start of each run and has a size', async () => {
    const script = 'ls -A /tmp; echo x > /tmp/x; head -c 3000000 /dev/zero > /tmp/big || echo full';
    const limits = { tmp_bytes: 2 * mebibyte };
    expect(await runScript(script, { limits })).toBe('full\n');
    expect(await runScript(script, { limits })).toBe('full\n');
    expect(await runScript('head -c 3000000 /dev/zero > /dev/shm/big || echo full', { limits })).toBe('full\n');
  });

  it('has no network: not even the loopback of the host', async () => {
    // The program that reaches it goes away without a word, which resets the connection.
    const server = createServer((socket) => socket.on('error', () => undefined).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const script = `use Socket; socket(S,PF_INET,SOCK_STREAM,0); print connect(S,sockaddr_in(${port},inet_aton("127.0.0.1"))) ? "in" : "no"`;
    try {
      expect((await runProgram(perl, ['-e', script])).stdout.toString()).toBe('no');
      const open = await runProgram(perl, ['-e', script], { sandbox: 'none' });
      expect(open.stdout.toString()).toBe('in');
    } finally {
      server.close();
    }
  });

  it('cannot see, signal or trace a process outside', async () => {
    const printed = await runScript(
      `kill -9 ${process.pid} && echo killed; ls -d /proc/${process.pid}; cat /proc/${process.pid}/environ; kill -9 -1; echo still`,
    );
    expect(printed).toBe('still\n');
  });

  it('cannot gain privileges by a user namespace of its own', async () => {
    expect(await runScript('unshare --user --map-root-user id && echo gained; unshare --mount id')).toBe('');
  });

  it('cannot reach the terminal of the server', async () => {
    expect(await runScript('echo x > /dev/tty && echo reached')).toBe('');
  });

  it('holds a fork bomb to its process limit and leaves none of it', async () => {
    const bomb = 'my $n=0; while(1){my $p=fork; last unless defined $p; if(!$p){sleep 30; exit} $n++} print $n';
    const limits = { processes: 20 };
    const { stdout } = await runProgram(perl, ['-e', bomb, `fork-bomb-${process.pid}`], { limits });
    expect(Number(stdout.toString())).toBeGreaterThan(5);
    expect(Number(stdout.toString())).toBeLessThan(20);
    expect(processesWith(`fork-bomb-${process.pid}`)).toEqual([]);
  });

  it('counts the processes of each sandbox apart', async () => {
    const many = Array.from({ length: 6 }, () =>
      runScript('for i in 1 2 3 4 5 6; do sleep 0.3 & done; wait; echo done', { limits: { processes: 12 } }),
    );
    expect(await Promise.all(many)).toEqual(many.map(() => 'done\n'));
  });

  it('holds a memory bomb to its memory limit', async () => {
    const limits = { memory_bytes: 128 * mebibyte };
    const bomb = await runProgram(perl, ['-e', 'my $x = "a" x (1<<29); print length $x'], { limits });
    expect(bomb.stdout.toString()).toBe('');
    expect(bomb.code).not.toBe(0);
    const fits = await runProgram(perl, ['-e', 'my $x = "a" x (1<<20); print length $x'], { limits });
    expect(fits.stdout.toString()).toBe('1048576');
  });

  // Node, Java, Go and .NET reserve addresses ahead; one number for both would leave them too few, or no bound at all.
  it('gives a program that reserves addresses the room that docs/sandbox.md says, and bounds its memory all the same', async () => {
    const [example] = /(?<=```yaml\n)limits:[^`]+/.exec(readFileSync('docs/sandbox.md', 'utf8')) ?? [];
    const { limits } = parse(example ?? '');
    const run = async (script: string, over: Partial<SandboxOptions> = {}) =>
      (await runProgram(process.execPath, ['-e', script], { read_only_paths: [dirname(process.execPath)], ...over }))
        .stdout;
    expect(String(await run('console.log(1)'))).toBe('');
    expect(String(await run('console.log(1)', { limits }))).toBe('1\n');
    const bomb = 'const held = []; for (;;) held.push(Buffer.alloc(1 << 24, 1)); ';
    expect(String(await run(`${bomb}console.log(1)`, { limits }))).toBe('');
  });

  it.each(Object.entries(defaultProcessLimits))(
    'has the default limits that docs/sandbox.md says: %s',
    (name, value) => {
      const row = readFileSync('docs/sandbox.md', 'utf8')
        .split('\n')
        .find((line) => line.startsWith(`| \`${name}\``));
      expect(row?.split('|')[2]?.trim()).toBe(String(value));
    },
  );

  it('holds processor time, file size and open files', async () => {
    const busy = await runProgram(perl, ['-e', '1 while 1'], { limits: { cpu_seconds: 1 } });
    expect(busy.code).toBeGreaterThanOrEqual(128);
    const file = 'head -c 2000000 /dev/zero > /tmp/big; wc -c < /tmp/big';
    expect(await runScript(file, { limits: { file_bytes: mebibyte } })).toBe(`${mebibyte}\n`);
    const files = 'my @f; while (open(my $f, "<", "/dev/null")) { push @f, $f } print scalar @f';
    const opened = await runProgram(perl, ['-e', files], { limits: { open_files: 32 } });
    expect(Number(opened.stdout.toString())).toBeLessThan(32);
  });

  it('lets the kernel end the program before the server when memory runs out', async () => {
    expect(await runScript('cat /proc/self/oom_score_adj')).toBe('1000\n');
  });

  it('shows a program outside the system folders, and what read_only_paths names, and no more', async () => {
    const tool = join(folder, 'tool');
    writeFileSync(tool, `#!/bin/sh\nls -A ${folder}\ncat ${folder}/work/note.txt`, { mode: 0o755 });
    expect((await runProgram(tool, [])).stdout.toString()).toBe('tool\n');
    const more = await runProgram(tool, [], { read_only_paths: [join(folder, 'work')] });
    expect(more.stdout.toString()).toBe('tool\nwork\na note');
  });

  it('fails the load for a program that the sandbox cannot execute', () => {
    const plain = join(folder, 'plain.txt');
    writeFileSync(plain, 'no program', { mode: 0o600 });
    expect(() => prepareSandbox(sandboxOptions(plain), place)).toThrow(LoadError);
    expect(() => prepareSandbox(sandboxOptions(plain), place)).toThrow(/cannot be executed inside the sandbox/);
  });

  it('runs as the user that run_as names, who is never root', async () => {
    const work = join(folder, 'work');
    const options = { working_directory: work, writable_paths: [work] };
    await runScript(
      'echo x > owned',
      process.getuid?.() === 0 ? { ...options, run_as: { uid: 4242, gid: 4243 } } : options,
    );
    expect(statSync(join(work, 'owned')).uid).toBe(process.getuid?.() === 0 ? 4242 : process.getuid?.());
    for (const run_as of [
      { uid: 0, gid: 1 },
      { uid: 1, gid: 0 },
    ]) {
      expect(() => prepareSandbox(sandboxOptions('/bin/true', { run_as }), place)).toThrow(/run_as is root/);
    }
  });

  it('drops root without a sandbox too', async () => {
    const printed = await runScript('id -u', { sandbox: 'none' });
    expect(printed).toBe(`${process.getuid?.() === 0 ? 65_534 : process.getuid?.()}\n`);
  });

  it.each(['/', '/proc', '/proc/self', '/dev', '/sys'])('is never shown %s of the host', (path) => {
    for (const over of [{ working_directory: path }, { read_only_paths: [path] }, { writable_paths: [path] }]) {
      expect(() => prepareSandbox(sandboxOptions('/bin/true', over), place)).toThrow(/must not be shown to a program/);
    }
  });

  it('fails the load for a path that is missing or relative', () => {
    expect(() => prepareSandbox(sandboxOptions('/usr/bin/no-such-program'), place)).toThrow(/does not exist/);
    expect(() => prepareSandbox(sandboxOptions('true'), place)).toThrow(/not an absolute path/);
    const gone = sandboxOptions('/bin/true', { working_directory: join(folder, 'gone') });
    expect(() => prepareSandbox(gone, place)).toThrow(/does not exist/);
  });
});
