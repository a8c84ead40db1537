import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from './port.js';
import { findProgram } from './requirement.js';

/** A Redis of the test's own, in memory, on a loopback port that stays the same when it is stopped and started. */
export class PrivateRedis {
  #child: ChildProcess | undefined;

  constructor(
    readonly port: number,
    readonly options: readonly string[],
    readonly folder: string,
  ) {}

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.folder];
    const program = findProgram('redis-server') ?? 'redis-server';
    this.#child = spawn(program, [...this.options, '--port', String(this.port), ...settings], { stdio: 'ignore' });
    for (let tries = 0; !/PONG|NOAUTH/.test(this.ask('ping')); tries++) {
      if (tries > 200) throw new Error('The private Redis does not answer.');
      await sleep(25);
    }
  }

  /** Ends it without a farewell, as a crash would. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Lets it hang: it takes connections and answers nothing. */
  hang(): void {
    this.#child?.kill('SIGSTOP');
  }

  wake(): void {
    this.#child?.kill('SIGCONT');
  }

  /** What `redis-cli` prints for a command. */
  ask(...command: readonly string[]): string {
    return spawnSync('redis-cli', ['-p', String(this.port), ...command], { encoding: 'utf8' }).stdout;
  }
}

/** Starts a private Redis; whoever starts it stops it. */
export async function startRedis(folder: string, ...options: readonly string[]): Promise<PrivateRedis> {
  const redis = new PrivateRedis(await findFreePort(), options, folder);
  await redis.start();
  return redis;
}
