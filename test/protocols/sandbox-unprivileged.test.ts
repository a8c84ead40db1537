import { beforeAll, expect, it } from 'vitest';
import { prepareSandbox } from '../../src/protocols/sandbox.js';
import { processesWith } from '../support/processes.js';
import { describeWithProgram } from '../support/requirement.js';
import { place, runProgram, runScript, sandboxOptions } from '../support/sandbox.js';

// This file has a process of its own (vitest.config.ts), so it can give up being root without taking others along.
beforeAll(() => {
  if (process.getuid?.() !== 0) return;
  process.setgroups?.([]);
  process.setgid?.(65_533);
  process.setuid?.(65_533);
});

describeWithProgram('bwrap', 'the sandbox of a server that is not root', () => {
  it('holds with user namespaces alone', async () => {
    expect(process.getuid?.()).not.toBe(0);
    expect(await runScript('id -u; cat /etc/passwd; echo x > /usr/x; env')).toBe('65534\nPWD=/tmp\n');
  });

  it('holds a fork bomb to its process limit and leaves none of it', async () => {
    const bomb = 'my $n=0; while(1){my $p=fork; last unless defined $p; if(!$p){sleep 30; exit} $n++} print $n';
    const args = ['-e', bomb, `unprivileged-bomb-${process.pid}`];
    const { stdout } = await runProgram('/usr/bin/perl', args, { limits: { processes: 20 } });
    expect(Number(stdout.toString())).toBeLessThan(20);
    expect(processesWith(`unprivileged-bomb-${process.pid}`)).toEqual([]);
  });

  it('cannot signal the server or another program of the same user', async () => {
    expect(await runScript(`kill -0 ${process.pid} && echo reached; cat /proc/${process.pid}/environ`)).toBe('');
  });

  it('runs a program without a sandbox as itself, with the environment that it names alone', async () => {
    const printed = await runScript('id -u; env', { sandbox: 'none', environment: { NAMED: 'yes' } });
    expect(printed).toBe(`${process.getuid?.()}\nNAMED=yes\nPWD=/tmp\n`);
  });

  it('refuses to become a user that it may not become', () => {
    const options = sandboxOptions('/bin/true', { run_as: { uid: 1, gid: 1 } });
    expect(() => prepareSandbox(options, place)).toThrow(/run_as/);
  });
});
