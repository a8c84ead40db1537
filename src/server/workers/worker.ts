import type { LoadedConfig } from '../../config/index.js';
import { codeOf, type Finding, LoadError } from '../../core/index.js';
import { openSharedState, reportToStandardError } from '../ground.js';
import { buildServer, type GatehouseServer } from '../server.js';
import { digestOf } from './digest.js';
import { ForwardedSink } from './forwarded-sink.js';
import { PrimaryLink } from './link.js';
import type { WorkerStart } from './message.js';
import { createSharedState } from './shared-state.js';

/** Reads the configuration as the primary does, with what the primary gave along. */
export type WorkerLoad = (given: Readonly<Record<string, string>>) => Promise<LoadedConfig>;

/** Serves as a worker of a primary until it is told to stop. What keeps it from starting is told to the primary. */
export async function runWorker(load: WorkerLoad): Promise<void> {
  const link = new PrimaryLink();
  // The primary says when to go; a signal to the whole group must not come first.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const started = new Promise<WorkerStart>((resolve) => link.on('start', resolve));
  const stopped = new Promise<boolean>((resolve) => link.on('stop', ({ at_once }) => resolve(at_once)));
  link.send({ kind: 'hello' });
  const start = await started;
  try {
    const worker = new Worker(link, start, load);
    await worker.serve();
    await worker.close(await stopped);
  } catch (error) {
    link.send({ kind: 'failed', ...describeFailure(error) });
  }
  await link.flush();
  process.disconnect();
}

class Worker {
  readonly #link: PrimaryLink;
  readonly #start: WorkerStart;
  readonly #load: WorkerLoad;
  #server: GatehouseServer | undefined;
  #prepared: { readonly id: number; readonly commit: () => void } | undefined;

  constructor(link: PrimaryLink, start: WorkerStart, load: WorkerLoad) {
    this.#link = link;
    this.#start = start;
    this.#load = load;
  }

  async serve(): Promise<void> {
    const server = await this.#open();
    this.#server = server;
    this.#answer(server);
    const url = await server.listen();
    this.#link.send({ kind: 'ready', url, listener_url: server.listener_url, notices: server.notices });
  }

  // What is read here is not held while the server listens and serves.
  async #open(): Promise<GatehouseServer> {
    const read = await this.#load(this.#start.given);
    const loaded = { ...read, config: { ...read.config, ...this.#start.fixed } };
    const { security_log, state } = loaded.config;
    const sink = new ForwardedSink(this.#link, this.#start.log, security_log.max_buffered_bytes);
    const shared =
      state.redis_url_variable === undefined
        ? createSharedState(this.#link, this.#start)
        : await openSharedState(loaded, sink, reportToStandardError);
    return buildServer(loaded, { sink, state: shared, admin: false });
  }

  async close(at_once: boolean): Promise<void> {
    await this.#server?.close({ at_once });
  }

  #answer(server: GatehouseServer): void {
    this.#link.on('prepare', ({ id }) => void this.#prepare(server, id));
    this.#link.on('abandon', () => {
      this.#prepared = undefined;
    });
    this.#link.on('commit', ({ id }) => {
      if (this.#prepared?.id === id) this.#prepared.commit();
      this.#prepared = undefined;
    });
    this.#link.on('report', async ({ id }) => {
      const metrics = await server.metrics.render();
      this.#link.send({ kind: 'report', id, metrics, readiness: server.readiness() });
    });
  }

  async #prepare(server: GatehouseServer, id: number): Promise<void> {
    try {
      const loaded = await this.#load(this.#start.given);
      this.#prepared = { id, commit: await server.prepare(loaded) };
      this.#link.send({ kind: 'prepared', id, digest: digestOf(loaded), findings: [] });
    } catch (error) {
      this.#link.send({ kind: 'prepared', id, digest: '', findings: describeFailure(error).findings });
    }
  }
}

function describeFailure(error: unknown): { findings: readonly Finding[]; code: string } {
  if (error instanceof LoadError) return { findings: error.findings, code: '' };
  const code = codeOf(error) ?? '';
  const message = error instanceof Error ? error.message : String(error);
  return { findings: [{ rule: 'internal', severity: 'error', pointer: '', message, mend: '' }], code };
}
