import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface ReplicaOptions {
  /** Where the compiled sources are (support/build.ts). */
  readonly build: string;
  /** The configuration file. */
  readonly config: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Further arguments of `serve`. */
  readonly args?: readonly string[];
  /** Options of Node's own, ahead of the program. */
  readonly node?: readonly string[];
  /** Makes another command line of it, for example one that enters a namespace. */
  readonly wrap?: (command: readonly string[]) => readonly string[];
}

/** `gatehouse serve` in a process of its own, which can be killed and started again in the same place. */
export class Replica {
  /** All that it wrote to standard error, over its lives. */
  complaints = '';
  url = '';
  admin = '';
  readonly #options: ReplicaOptions;
  #child: ChildProcess | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  get child(): ChildProcess {
    if (!this.#child) throw new Error('The replica does not run.');
    return this.#child;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Resolves when it is ready; fails with what it said when it ends instead. */
  async start(): Promise<void> {
    const { build, config, environment, args: more = [], node = [], wrap = (command) => command } = this.#options;
    const program = [process.execPath, ...node, join(build, 'cli/main.js'), 'serve', '--config', config, ...more];
    const [command = '', ...args] = wrap(program);
    // What the test itself runs under (a port, a configuration) is none of the replica's business.
    const { PORT, HOST, GATEHOUSE_CONFIG, NODE_OPTIONS, VITEST, ...inherited } = process.env;
    const child = spawn(command, args, {
      env: { ...inherited, ...environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.complaints += text;
    });
    const ready = await readReadyLine(child);
    if (!ready) throw new Error(`The replica ended before it was ready: ${this.complaints}`);
    [this.url, this.admin] = [ready.url, ready.admin];
  }

  /** Ends it as `kill -9` does. */
  async kill(): Promise<void> {
    const { child } = this;
    this.#child = undefined;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Ends it as an operator does; gives its exit code. Nothing when it does not run. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    return code;
  }

  /** What the admin listener says of itself. */
  async readiness(): Promise<Readonly<Record<string, unknown>>> {
    const response = await fetch(`${this.admin}/readyz?verbose`);
    const body: unknown = await response.json();
    return typeof body === 'object' && body !== null ? { ...body } : {};
  }
}

async function readReadyLine(child: ChildProcess): Promise<{ url: string; admin: string } | undefined> {
  let text = '';
  const { stdout } = child;
  if (!stdout) return undefined;
  stdout.setEncoding('utf8');
  for await (const chunk of stdout.iterator({ destroyOnReturn: false })) {
    text += chunk;
    const line = text.split('\n').find((part) => part.includes('"server.ready"'));
    if (line === undefined || !text.includes(`${line}\n`)) continue;
    // What it says later is read by nobody, and must not fill its pipe.
    stdout.resume();
    return JSON.parse(line);
  }
  return undefined;
}
