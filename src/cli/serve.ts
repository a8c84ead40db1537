import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { answerChecklist, describeChecklist, type LoadedConfig, type ServerConfig } from '../config/index.js';
import { codeOf, type Finding, LoadError } from '../core/index.js';
import { Reloader } from '../server/reload.js';
import { buildServer } from '../server/server.js';
import { Primary, type Served, WorkerStartError } from '../server/workers/primary.js';
import { runWorker } from '../server/workers/worker.js';
import {
  type Command,
  type CommandInput,
  commonOptions,
  configFileOf,
  exitCodes,
  type Io,
  stringOf,
  takePositionals,
  UsageError,
} from './command.js';
import { Example, loadForServing, printExample } from './example.js';
import { renderFindings } from './terminal.js';

const maxWorkers = 128;

/** `gatehouse serve`: runs until SIGTERM or SIGINT. */
export const serveCommand: Command = {
  name: 'serve',
  summary: 'serve the configured manuals',
  usage: '',
  options: {
    workers: { type: 'string', value: 'N', help: 'processes that serve on the one port (default 1; auto: one a core)' },
    ...commonOptions,
  },
  notes: [
    'PORT and HOST in the environment win over the file. SIGTERM ends it once calls in flight are done, SIGINT without',
    'server.drain_delay_ms; SIGHUP reloads. Exit 0 when it was told to end, 2 when it could not start.',
  ],
  async run(input, io) {
    takePositionals(input);
    const file = configFileOf(input, io);
    if (cluster.isWorker) {
      await runWorker((given) => loadForServing(file, io, Example.join(given)));
      return exitCodes.good;
    }
    const example = new Example();
    try {
      return await serve(file, readWorkers(input), example, io);
    } finally {
      await example.shop?.close();
    }
  },
};

/** What runs, in this process or in several. */
interface Service extends Pick<Primary, 'sink' | 'serve' | 'apply' | 'close'> {}

async function serve(file: string, workers: number, example: Example, io: Io): Promise<number> {
  // Heard from the first moment on: whoever reads that it is ready may signal it at once.
  const stopped = untilStopped();
  let reloader: Reloader | undefined;
  const hangUp = () => void reloader?.reload();
  process.on('SIGHUP', hangUp);
  try {
    const load = () => loadForServing(file, io, example);
    const { service, config, warnings, ...opened } = await open(load, workers, example, io);
    const served = await start(service, config.server, io);
    if (!served) return exitCodes.usage;
    announce(served, warnings, io);
    if (config.example) printExample(io, served.listener_url, example.keys);
    reloader = opened.reloader;
    await reloader.watch(250);
    const signal = await stopped;
    reloader.close();
    await service.close({ at_once: signal === 'SIGINT' });
    return exitCodes.good;
  } finally {
    process.off('SIGHUP', hangUp);
  }
}

/** Loads, and opens what will serve; what it has read is not held beyond this, since of many tools it is large. */
async function open(load: () => Promise<LoadedConfig>, workers: number, example: Example, io: Io) {
  const loaded = await load();
  const service = await openService(loaded, workers, example, io);
  const apply = (next: LoadedConfig) => service.apply(next);
  const reloader = new Reloader(loaded, { load, apply, sink: service.sink, report: io.err });
  return { service, reloader, config: loaded.config, warnings: warnOfChecklist(loaded) };
}

async function openService(loaded: LoadedConfig, workers: number, example: Example, io: Io): Promise<Service> {
  if (workers > 1) return Primary.open(loaded, { workers, given: example.share(), report: io.err });
  const server = await buildServer(loaded);
  return {
    sink: server.sink,
    apply: (next) => server.apply(next),
    close: (options) => server.close(options),
    async serve() {
      const url = await server.listen();
      const { listener_url, admin_url, notices } = server;
      return { url, listener_url, admin_url, notices };
    },
  };
}

/** Starts it; undefined, with a word to the operator, when its port can't be opened. */
async function start(service: Service, { host, port }: ServerConfig, io: Io): Promise<Served | undefined> {
  try {
    return await service.serve();
  } catch (error) {
    await service.close({ at_once: true });
    const code = codeOf(error) ?? '';
    if (['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND'].includes(code)) {
      io.err(
        `gatehouse serve: cannot listen on ${host}:${port} (${code}). Set PORT or server.port; 0 takes any free one.`,
      );
      return undefined;
    }
    throw error instanceof WorkerStartError ? new LoadError(error.findings) : error;
  }
}

function announce(served: Served, warnings: readonly Finding[], io: Io): void {
  const notices = [...served.notices, ...warnings];
  if (notices.length > 0) io.err(renderFindings(io, notices));
  const { url: public_url, listener_url: url, admin_url: admin } = served;
  io.out(JSON.stringify({ event: 'server.ready', url, public_url, admin, pid: process.pid, time: new Date() }));
}

/** The items of the checklist that fail, told at every start; with `require_checklist` they refuse it. */
function warnOfChecklist(loaded: LoadedConfig): readonly Finding[] {
  if (loaded.config.server.require_checklist) return [];
  const failures = describeChecklist(answerChecklist(loaded), loaded);
  return failures.map((finding) => ({ ...finding, severity: 'warning' }));
}

function readWorkers(input: CommandInput): number {
  const text = stringOf(input, 'workers') ?? '1';
  if (text === 'auto') return Math.min(availableParallelism(), maxWorkers);
  const workers = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (workers < 1 || workers > maxWorkers) {
    throw new UsageError(`--workers is a number from 1 to ${maxWorkers}, or auto`);
  }
  return workers;
}

function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((stop) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop(signal));
  });
}
