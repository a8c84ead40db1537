import { spawn } from 'node:child_process';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { cores, pin } from './machine.js';

const patience_ms = 60_000;
const running = new Set();

/** A process that was started here, and that ends with the benchmark. */
export class Child {
  #process;
  #answers = new Map();
  #count = 0;
  #said = '';
  port = 0;

  constructor(command, args, { core, ipc = false, environment = {} }) {
    const [file, list] = pin(core, command, args);
    this.#process = spawn(file, list, {
      stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? ['ipc'] : [])],
      env: { ...process.env, ...environment },
    });
    running.add(this);
    this.ended = new Promise((resolve) => this.#process.once('exit', resolve));
    void this.ended.then(() => running.delete(this));
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.on('data', (chunk) => {
        this.#said = (this.#said + chunk).slice(-4000);
      });
    }
    this.#process.on('message', ({ id, ...answer }) => this.#answers.get(id)?.(answer));
  }

  get pid() {
    return this.#process.pid;
  }

  /** Resolves with the first message, which says that the process is ready. */
  async ready() {
    const first = new Promise((resolve) => this.#process.once('message', resolve));
    const message = await Promise.race([first, this.ended, wait(patience_ms, undefined, { ref: false })]);
    if (typeof message !== 'object' || message === null) throw new Error(`A process did not start: ${this.#said}`);
    this.port = message.port ?? 0;
    return message;
  }

  /** Resolves when something listens on `port`, for servers that send no messages. */
  async listening(port) {
    this.port = port;
    const deadline = performance.now() + patience_ms;
    while (performance.now() < deadline && running.has(this)) {
      if (await connects(port)) return;
      await wait(50);
    }
    throw new Error(`A process did not listen: ${this.#said}`);
  }

  /** Resolves when the process has written `text`. */
  async saying(text) {
    const deadline = performance.now() + patience_ms;
    while (performance.now() < deadline && running.has(this)) {
      if (this.#said.includes(text)) return;
      await wait(5);
    }
    throw new Error(`A process did not say ${text}: ${this.#said}`);
  }

  /** Sends a message and resolves with its answer. */
  ask(message) {
    const id = ++this.#count;
    return new Promise((resolve, reject) => {
      this.#answers.set(id, (answer) => {
        this.#answers.delete(id);
        if (answer.error) reject(new Error(answer.error));
        else resolve(answer.result);
      });
      void this.ended.then(() => reject(new Error(`A process ended: ${this.#said}`)));
      this.#process.send({ ...message, id });
    });
  }

  async stop() {
    this.#process.kill('SIGTERM');
    await Promise.race([this.ended, wait(5000, undefined, { ref: false })]);
    this.#process.kill('SIGKILL');
    await this.ended;
  }
}

/** Starts one of bench/servers on the servers' core; `options` go to it as JSON. */
export async function startServer(name, options = {}, core = cores.server) {
  const child = new Child(
    process.execPath,
    [join(import.meta.dirname, 'servers', `${name}.js`), JSON.stringify(options)],
    { core, ipc: true, environment: { NODE_ENV: 'production' } },
  );
  await child.ready();
  return child;
}

export async function startLoad() {
  const child = new Child(process.execPath, [join(import.meta.dirname, 'load/worker.js')], {
    core: cores.load,
    ipc: true,
  });
  await child.ready();
  return child;
}

export async function stopAll() {
  await Promise.all([...running].map((child) => child.stop()));
}

function connects(port) {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
