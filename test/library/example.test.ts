import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../support/io.js';
import { connectOfficial, statusOf } from '../support/official-client.js';

const root = join(import.meta.dirname, '../..');
const example = join(root, 'examples/fastify-app');
// Within the checkout, where the package finds itself by its own name.
const folder = join(root, `var/example-${process.pid}`);
const config = join(folder, 'gatehouse.yaml');

let app: ChildProcess;
let url: string;
const keys = new Map<string, string>();

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  cpSync(join(example, 'gatehouse.yaml'), config);
  cpSync(join(example, 'manuals'), join(folder, 'manuals'), { recursive: true });
  const compiler = join(root, 'node_modules/.bin/tsc');
  execFileSync(compiler, ['-p', example, '--outDir', join(folder, 'dist')], { stdio: 'inherit' });
  for (const caller of ['reader', 'clerk']) {
    const { out } = await runCommand(['keys', 'create', caller, '--config', config, '--json']);
    keys.set(caller, JSON.parse(out).secret);
  }
  app = spawn(process.execPath, [join(folder, 'dist/main.js')], {
    env: { PATH: process.env.PATH, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  url = await readAddress(app);
}, 60_000);
afterAll(() => {
  app.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** Reads on to the end, since the security events follow on the same pipe. */
function readAddress({ stdout }: ChildProcess): Promise<string> {
  if (!stdout) throw new Error('The example has no output.');
  const lines = createInterface({ input: stdout });
  return new Promise((resolve, reject) => {
    lines.on('close', () => reject(new Error('The example ended before it listened.')));
    lines.on('line', (line) => {
      const [, found] = /The help desk is at (\S+)/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
  });
}

const connect = (caller: string) => connectOfficial(`${url}/agents`, { bearer: keys.get(caller) ?? '' });

describe('examples/fastify-app, as its README starts it', () => {
  it('a reader finds tickets with the official client and does not see how to close one', async () => {
    const reader = await connect('reader');
    expect([...reader.tools].sort()).toEqual(['find_tickets', 'house_rules']);
    const printer = { id: 'T-1', title: 'The printer prints in Latin', state: 'open' };
    expect(await reader.call('find_tickets', { words: 'printer' })).toEqual({ tickets: [printer] });
    expect(await reader.call('house_rules', {})).toContain('settled');
  });

  it('a clerk closes one, the app’s own route shows it, and an unknown one is refused in the tool’s words', async () => {
    const clerk = await connect('clerk');
    expect(await clerk.call('close_ticket', { body: { id: 'T-2' } })).toMatchObject({ closed_by: 'clerk' });
    expect(await (await fetch(`${url}/tickets/T-2`)).json()).toMatchObject({ state: 'closed' });
    const refusal = await clerk.call('close_ticket', { body: { id: 'T-9' } }).catch((error: unknown) => error);
    expect(statusOf(refusal)).toBe(400);
  });

  it('the app’s own routes keep their own validation', async () => {
    const answer = await fetch(`${url}/tickets/${'x'.repeat(30)}`);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'FST_ERR_VALIDATION' });
  });

  it('ends with 0 on SIGTERM', async () => {
    app.kill('SIGTERM');
    const [code] = await once(app, 'exit');
    expect(code).toBe(0);
  });
});
