import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatehouseError } from '../../src/core/index.js';
import { type ProcessJob, ProcessRunner } from '../../src/protocols/process.js';
import { prepareSandbox } from '../../src/protocols/sandbox.js';
import { childProcesses, eventually, openDescriptors, processesWith, zombies } from '../support/processes.js';
import { describeWithProgram } from '../support/requirement.js';
import { createScope, place, sandboxOptions } from '../support/sandbox.js';

let runner = new ProcessRunner();
beforeEach(() => {
  runner = new ProcessRunner();
});
afterEach(() => runner.close());

const modes = ['required', 'none'] as const;

function shell(mode: (typeof modes)[number], script: string, over: Partial<ProcessJob> = {}): ProcessJob {
  const sandbox = prepareSandbox(sandboxOptions('/bin/sh', { sandbox: mode }), place);
  return { sandbox, args: ['-c', script], timeout_ms: 10_000, max_output_bytes: 1000, ...over };
}

async function codeOf(run: Promise<unknown>): Promise<string> {
  return run.then(
    () => 'no error',
    (error: unknown) => (error instanceof GatehouseError ? error.code : String(error)),
  );
}

describeWithProgram('bwrap', 'running a program', () => {
  describe.each(modes)('with sandbox %s', (mode) => {
    it('gives its standard output and its exit code, and never its standard error', async () => {
      const outcome = await runner.run(shell(mode, 'echo out; echo err >&2; exit 7'), createScope());
      expect(outcome).toEqual({ stdout: Buffer.from('out\n'), code: 7 });
    });

    it('ends a program and its grandchildren at the timeout', async () => {
      const script = `sh -c 'sleep 31.${mode.length}${process.pid} & sleep 31.${mode.length}${process.pid}' & wait`;
      const begin = performance.now();
      expect(await codeOf(runner.run(shell(mode, script, { timeout_ms: 300 }), createScope()))).toBe(
        'upstream_timeout',
      );
      expect(performance.now() - begin).toBeLessThan(2500);
      expect(
        await eventually(
          () => processesWith(`31.${mode.length}${process.pid}`),
          (left) => left.length === 0,
        ),
      ).toEqual([]);
    });

    it('ends what a program left running when it ended', async () => {
      const outcome = await runner.run(shell(mode, `sleep 32.${mode.length}${process.pid} & echo done`), createScope());
      expect(outcome.stdout.toString()).toBe('done\n');
      expect(
        await eventually(
          () => processesWith(`32.${mode.length}${process.pid}`),
          (left) => left.length === 0,
        ),
      ).toEqual([]);
    });

    it('ends a program that prints more than its cap', async () => {
      const endless = shell(mode, 'while :; do echo 0123456789012345678901234567890123456789; done');
      expect(await codeOf(runner.run(endless, createScope()))).toBe('upstream_too_large');
      const fits = await runner.run(shell(mode, 'head -c 1000 /dev/zero'), createScope());
      expect(fits.stdout.length).toBe(1000);
    });

    it('ends a program at once when its caller goes away', async () => {
      const scope = createScope();
      const running = runner.run(shell(mode, `sleep 33.${mode.length}${process.pid}`), scope);
      await eventually(
        () => processesWith(`33.${mode.length}${process.pid}`),
        (found) => found.length > 0,
      );
      scope.cancel('client_aborted');
      expect(await codeOf(running)).toBe('client_aborted');
      expect(
        await eventually(
          () => processesWith(`33.${mode.length}${process.pid}`),
          (left) => left.length === 0,
        ),
      ).toEqual([]);
    });

    it('gives a program no input and no descriptor of the server beyond its own three', async () => {
      const outcome = await runner.run(
        shell(mode, 'cat; for f in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$f ] && echo $f; done'),
        createScope(),
      );
      expect(outcome.stdout.toString()).toBe('');
    });

    it('refuses arguments that are longer than the host takes', async () => {
      const job = shell(mode, ':', { args: ['-c', ':', 'x'.repeat(200_000)] });
      expect(await codeOf(runner.run(job, createScope()))).toBe('invalid_input');
    });
  });

  it('leaves nothing of a program that is ended while its sandbox is still being built', async () => {
    const ends = Array.from({ length: 60 }, (_, index) =>
      codeOf(runner.run(shell('required', `sleep 37.${process.pid}`, { timeout_ms: index }), createScope())),
    );
    expect(new Set(await Promise.all(ends))).toEqual(new Set(['upstream_timeout']));
    expect(processesWith(`37.${process.pid}`)).toEqual([]);
  });

  it('leaves no zombie behind, even where the server would have to reap it', async () => {
    const before = zombies('bwrap');
    for (let round = 0; round < 20; round += 1) await runner.run(shell('required', ':'), createScope());
    expect(zombies('bwrap').filter((pid) => !before.includes(pid))).toEqual([]);
  });

  it('does not start a program whose call is cancelled already', async () => {
    const scope = createScope();
    scope.cancel('draining');
    expect(await codeOf(runner.run(shell('required', 'exit 0'), scope))).toBe('draining');
  });

  it('tells a sandbox that could not be built from a program that failed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-process-'));
    chmodSync(folder, 0o755);
    const options = sandboxOptions('/bin/sh', { working_directory: folder });
    const job = { ...shell('required', 'exit 1'), sandbox: prepareSandbox(options, place) };
    expect((await runner.run(job, createScope())).code).toBe(1);
    rmSync(folder, { recursive: true });
    expect(await codeOf(runner.run(job, createScope()))).toBe('upstream_failed');
  });

  it('runs no more programs at once than it may, and counts the wait into the timeout', async () => {
    const narrow = new ProcessRunner(1);
    const slow = narrow.run(shell('none', 'sleep 0.4; echo slow'), createScope());
    const late = narrow.run(shell('none', 'echo late', { timeout_ms: 100 }), createScope());
    const patient = narrow.run(shell('none', 'echo patient'), createScope());
    expect(await codeOf(late)).toBe('upstream_timeout');
    expect((await slow).stdout.toString()).toBe('slow\n');
    expect((await patient).stdout.toString()).toBe('patient\n');
  });

  it('refuses a call when its queue is full', async () => {
    const narrow = new ProcessRunner(1);
    const runs = Array.from({ length: 1025 }, () =>
      narrow.run(shell('none', `sleep 34.${process.pid}`), createScope()).catch(() => undefined),
    );
    expect(await codeOf(narrow.run(shell('none', ':'), createScope()))).toBe('overloaded');
    await narrow.close();
    await Promise.all(runs);
  });

  it('ends every program and every waiting call when it closes', async () => {
    const narrow = new ProcessRunner(2);
    const runs = Array.from({ length: 5 }, () =>
      codeOf(narrow.run(shell('required', `sleep 35.${process.pid}`), createScope())),
    );
    await eventually(
      () => processesWith(`35.${process.pid}`),
      (found) => found.length >= 2,
    );
    await narrow.close();
    expect(await Promise.all(runs)).toEqual(Array(5).fill('upstream_failed'));
    expect(processesWith(`35.${process.pid}`)).toEqual([]);
    expect(await codeOf(narrow.run(shell('required', ':'), createScope()))).toBe('draining');
  });

  it('leaves no process, zombie or descriptor behind after 200 calls in parallel, half of them cut short', async () => {
    await runner.run(shell('required', ':'), createScope());
    const before = openDescriptors();
    const runs = Array.from({ length: 200 }, (_, index) =>
      codeOf(
        runner.run(
          shell('required', index % 2 ? `sleep 36.${process.pid}` : 'echo ok', { timeout_ms: index % 2 ? 50 : 60_000 }),
          createScope(),
        ),
      ),
    );
    const codes = await Promise.all(runs);
    expect(codes.filter((code) => code === 'no error').length).toBe(100);
    expect(codes.filter((code) => code === 'upstream_timeout').length).toBe(100);
    expect(processesWith(`36.${process.pid}`)).toEqual([]);
    expect(await eventually(childProcesses, (left) => left.length === 0)).toEqual([]);
    expect(await eventually(openDescriptors, (now) => now <= before)).toBeLessThanOrEqual(before);
  });
});
