import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fenced block of a page: what language it is in, which file it is to be written to, and its text. */
interface Block {
  readonly language: string;
  readonly file: string | undefined;
  readonly text: string;
}

export interface GuideOptions {
  /** The heading of the part of the page that is followed; all of it when absent. */
  readonly section?: string;
  /** Files that the reader has already, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Texts of the page that this machine has something else for: addresses of upstreams. */
  readonly replace?: Readonly<Record<string, string>>;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Does what a page of docs/ tells its reader to do, in a folder of its own and in a real shell: a block with a file's
 * name behind its language is written there, an `sh` block is run, and each line of a `text` block must stand in what
 * the block before it printed (`…` stands for anything). `gatehouse serve` goes on while the rest is run, as in another
 * terminal. Gives what was printed. Throws with the shell's whole output when a command fails or does not print what the page says.
 */
export async function followGuide(page: string, build: string, options: GuideOptions = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-guide-'));
  const port = await takeFreePort();
  const replace = { 'http://127.0.0.1:8080': `http://127.0.0.1:${port}`, ...options.replace };
  const blocks = readPage(page, options.section).map((block) => ({ ...block, text: substitute(block.text, replace) }));
  writeCommand(folder, build);
  for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(join(folder, 'work', name), text);
  const environment = {
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    HOME: folder,
    PORT: String(port),
    ...options.environment,
  };
  try {
    const printed = await run(writeScript(blocks), join(folder, 'work'), environment);
    requireOutput(blocks, printed);
    return printed;
  } finally {
    endServers(join(folder, 'pids'));
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The commands that a page, or one part of it, has its reader type. */
export function readCommands(page: string, section?: string): readonly string[] {
  const shell = readPage(page, section).filter(({ language, file }) => language === 'sh' && file === undefined);
  return shell.flatMap(({ text }) =>
    text.split('\n').filter((line) => /^\w/.test(line) && !line.startsWith('export ')),
  );
}

function readPage(page: string, section: string | undefined): readonly Block[] {
  const whole = readFileSync(join(import.meta.dirname, '../..', page), 'utf8');
  const text = section === undefined ? whole : (whole.split(/^## /m).find((part) => part.startsWith(section)) ?? '');
  if (!text.includes('```')) throw new Error(`${page} has nothing to do under ${section}`);
  return [...text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(([, language = '', file, content = '']) => ({
    language,
    file,
    text: content,
  }));
}

function substitute(text: string, replace: Readonly<Record<string, string>>): string {
  return Object.entries(replace).reduce((done, [from, to]) => done.replaceAll(from, to), text);
}

const mark = '=== block';

function writeScript(blocks: readonly Block[]): string {
  const steps = blocks.map(({ language, file, text }, index) => {
    if (file !== undefined) return `mkdir -p "$(dirname ${file})"\ncat > ${file} <<'GUIDE'\n${text}GUIDE\n`;
    return language === 'sh' ? `echo '${mark} ${index}'\n${text}` : '';
  });
  return `set -euo pipefail\n${steps.join('')}`;
}

// A server that the page starts "in another terminal" goes on behind; whoever starts it waits until it is ready.
function writeCommand(folder: string, build: string): void {
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'work'));
  const command = join(folder, 'bin/gatehouse');
  writeFileSync(
    command,
    `#!/bin/bash
if [ "$1" != serve ]; then exec "${process.execPath}" "${build}/cli/main.js" "$@"; fi
"${process.execPath}" "${build}/cli/main.js" "$@" > "${folder}/serve.log" 2>&1 &
echo $! >> "${folder}/pids"
for _ in $(seq 300); do
  grep -q server.ready "${folder}/serve.log" && exit 0
  kill -0 $! 2>/dev/null || break
  sleep 0.1
done
cat "${folder}/serve.log"
exit 1
`,
  );
  chmodSync(command, 0o755);
}

function endServers(file: string): void {
  const pids = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').map(Number) : [];
  for (const pid of pids) process.kill(pid, 'SIGKILL');
}

async function run(script: string, cwd: string, env: Readonly<Record<string, string>>): Promise<string> {
  const shell = spawn('bash', ['-c', `exec 2>&1\n${script}`], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  shell.stdout.on('data', (chunk) => {
    printed += chunk;
  });
  // A server that goes on holds the pipe, so the end of the shell counts and not the end of its output.
  const code = await new Promise((end) => shell.on('exit', end));
  if (code !== 0) throw new Error(`The guide's commands end with ${code}:\n${printed}`);
  return printed;
}

function requireOutput(blocks: readonly Block[], printed: string): void {
  for (const [index, block] of blocks.entries()) {
    if (block.language !== 'text' || block.file !== undefined) continue;
    const [, after = ''] = printed.split(`${mark} ${index - 1}\n`);
    const [output = ''] = after.split(mark);
    for (const line of block.text.split('\n').filter((text) => text.trim() !== '')) {
      if (toPattern(line).test(output)) continue;
      throw new Error(`The page says that this is printed:\n${line}\nPrinted was:\n${output}`);
    }
  }
}

function toPattern(line: string): RegExp {
  return new RegExp(
    line
      .trim()
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*'),
  );
}

function takeFreePort(): Promise<number> {
  return new Promise((take) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => take(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
