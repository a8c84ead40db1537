import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildSources } from '../../support/build.js';
import { describeWithProgram } from '../../support/requirement.js';

const root = join(import.meta.dirname, '../../..');
const folder = buildSources();

/** What `npm start` runs, on free ports; `lines` is what it prints up to the last line that can be pasted. */
async function start(args: readonly string[], last: RegExp): Promise<{ server: ChildProcess; lines: string[] }> {
  const server = spawn(process.execPath, [join(folder, 'cli/main.js'), 'serve', ...args], {
    cwd: root,
    env: { PATH: process.env.PATH, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  for await (const line of createInterface({ input: server.stdout })) {
    lines.push(line);
    if (last.test(line)) return { server, lines };
  }
  throw new Error(`It ended: ${lines.join('\n')}`);
}

async function stop(server: ChildProcess): Promise<number | null> {
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  await ended;
  return server.exitCode;
}

describeWithProgram('curl', 'npm start', () => {
  let running: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    running = await start([], /delete_book$/);
  });
  afterAll(() => stop(running.server));

  it('says in one line that it is ready, and where', () => {
    const ready = running.lines.map((line) => line.startsWith('{') && JSON.parse(line)).find(Boolean);
    expect(ready).toMatchObject({ event: 'server.ready', url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) });
  });

  it('prints lines that work when they are pasted: two callers see and may do different things', async () => {
    const pasted = running.lines.filter((line) => line.startsWith('curl '));
    const answers = await Promise.all(pasted.map(paste));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 404]);
    const [reader, editor, books, created] = answers.map(({ json }) => json);
    expect([reader?.tools.length, editor?.tools.length]).toEqual([2, 4]);
    expect(books?.books?.length).toBeGreaterThan(0);
    expect(created).toMatchObject({ title: 'Refactoring' });
  });

  it('ends with 0 on a SIGTERM that comes as soon as it is ready', async () => {
    const second = await start([], /server\.ready/);
    expect(await stop(second.server)).toBe(0);
  });
});

it.each([
  ['start', ['start', '-s']],
  ['gatehouse', ['run', '-s', 'gatehouse', '--', 'serve']],
])('a SIGTERM to npm ends what npm %s runs', async (_script, args) => {
  const npm = spawn('npm', args, {
    cwd: root,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: npm.stdout })[Symbol.asyncIterator]();
  const { pid } = JSON.parse(String((await lines.next()).value));
  const ended = once(npm, 'exit');
  npm.kill('SIGTERM');
  await ended;
  await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
});

describeWithProgram('curl', 'a server with a public URL', () => {
  it('says where it listens beside what it publishes', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gatehouse-newcomer-'));
    const config = join(directory, 'gatehouse.yaml');
    await writeFile(config, 'server: { public_url: "https://tools.example/base", admin: { port: 0 } }\n');
    const { server, lines } = await start(['--config', config], /server\.ready/);
    try {
      const ready = JSON.parse(lines.at(-1) ?? '');
      expect(ready.public_url).toBe('https://tools.example/base');
      expect((await fetch(`${ready.url}/livez`)).status).toBe(200);
    } finally {
      await stop(server);
      await rm(directory, { recursive: true });
    }
  });
});

interface Answer {
  readonly status: number;
  readonly json: { tools: unknown[]; books?: unknown[] };
}

/** Runs a printed line as a reader would, in a shell. */
async function paste(line: string): Promise<Answer> {
  const shell = spawn('bash', ['-c', `${line} -sS -w '\\n%{http_code}'`], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  for await (const chunk of shell.stdout) out += chunk;
  const end = out.lastIndexOf('\n');
  return { status: Number(out.slice(end + 1)), json: JSON.parse(out.slice(0, end)) };
}

it('a command ends with its own exit code when its reader has seen enough', async () => {
  const child = spawn(process.execPath, [join(folder, 'cli/main.js'), 'check'], { cwd: root, stdio: 'pipe' });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  expect([(await once(child, 'close'))[0], said]).toEqual([0, '']);
});
