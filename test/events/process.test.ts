import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { verifyAudit } from '../../src/events/audit.js';
import { buildSources } from '../support/build.js';
import { makeFolder } from '../support/scratch.js';

let build: string;
beforeAll(() => {
  build = buildSources();
});

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Runs `body` in a process of its own, with `sink` and `emit(n)` at hand. */
function run(settings: Record<string, unknown>, body: string, stdout: 'pipe' | 'ignore' = 'ignore') {
  const script = join(makeFolder(), 'child.mjs');
  writeFileSync(
    script,
    `import { createEventSink } from ${JSON.stringify(join(build, 'events/emit.js'))};
    import { securityLogSchema } from ${JSON.stringify(join(build, 'events/config.js'))};
    const sink = createEventSink({ config: securityLogSchema.parse(${JSON.stringify(settings)}) });
    const emit = (n) => sink.emit({ event: 'auth.failure', outcome: 'failure', caller: 'caller-' + n });
    ${body}`,
  );
  const child = spawn(process.execPath, [script], { stdio: ['pipe', stdout, 'pipe'] });
  children.push(child);
  return child;
}

function countEvents(text: string): number {
  return text.split('\n').filter((line) => line.includes('"auth.failure"')).length;
}

describe('the security log when its process ends', () => {
  it.each([
    ['by itself', ''],
    ['by process.exit', 'process.exit(3);'],
    ['by an exception', 'setImmediate(() => { throw new Error("boom"); });'],
  ])('loses nothing when it ends %s', async (_how, ending) => {
    const file = join(makeFolder(), 'security.log');
    const settings = { file, hash_chain: true, flush_interval_ms: 10_000 };
    await once(run(settings, `for (let n = 0; n < 5000; n++) emit(n); ${ending}`), 'exit');
    expect(countEvents(readFileSync(file, 'utf8'))).toBe(5000);
    expect((await verifyAudit(file)).findings).toEqual([]);
  });

  it('loses nothing on standard output either, read slowly through a pipe', async () => {
    const child = run({}, 'for (let n = 0; n < 20_000; n++) emit(n); process.exit(0);', 'pipe');
    let text = '';
    for await (const chunk of child.stdout ?? []) {
      text += chunk;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(countEvents(text)).toBe(20_000);
  });

  it('loses at most one flush interval to kill -9, and the chain goes on in the next run', async () => {
    const file = join(makeFolder(), 'security.log');
    const settings = { file, hash_chain: true, flush_interval_ms: 20 };
    for (let life = 0; life < 4; life++) {
      const child = run(
        settings,
        `for (let n = 0; n < 100; n++) emit(n);
        setTimeout(() => { process.stderr.write('settled'); setInterval(() => { for (let n = 0; n < 50; n++) emit(n); }, 1); }, 60);`,
      );
      await once(child.stderr ?? child, 'data');
      await new Promise((resolve) => setTimeout(resolve, 10 + life * 7));
      child.kill('SIGKILL');
      await once(child, 'exit');
      expect(countEvents(readFileSync(file, 'utf8'))).toBeGreaterThanOrEqual(100 * (life + 1));
    }
    const { findings, records } = await verifyAudit(file);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(records).toBeGreaterThan(400);
  });

  it('serves on when the reader of its pipe is gone, says so once, and ends when asked', async () => {
    const child = run(
      {},
      `process.stdin.once('data', () => {
        for (let n = 0; n < 100; n++) emit(n);
        setTimeout(async () => { await sink.close(); process.exit(sink.accepting ? 7 : 8); }, 400);
      });`,
      'pipe',
    );
    child.stdout?.destroy();
    let complaints = '';
    child.stderr?.on('data', (chunk) => {
      complaints += chunk;
    });
    child.stdin?.write('go');
    expect((await once(child, 'exit'))[0]).toBe(7);
    expect(complaints).toBe('The security log cannot be written (EPIPE): events wait in memory.\n');
  });
});
