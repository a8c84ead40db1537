import cluster from 'node:cluster';
import { setTimeout as wait } from 'node:timers/promises';
import type { LoadedConfig } from '../../config/index.js';
import { describeFinding, type Finding, LoadError } from '../../core/index.js';
import type { EventSink } from '../../events/index.js';
import type { Block, State } from '../../limits/index.js';
import { AdminListener, type Readiness } from '../admin.js';
import { collectAfterStart } from '../garbage.js';
import { openSharedState, openSink } from '../ground.js';
import { fixedOf } from '../load-refusal.js';
import { digestOf } from './digest.js';
import { mergeMetrics } from './merge-metrics.js';
import { isCommon, type LogState, type WorkerMessage } from './message.js';
import { listChanges } from './shared-state.js';
import { WorkerSlot } from './worker-slot.js';

type MessageOf<Kind extends WorkerMessage['kind']> = Extract<WorkerMessage, { kind: Kind }>;

const answerPatience_ms = 30_000;
const logPoll_ms = 100;
const killGrace_ms = 2000;

export interface PrimaryOptions {
  readonly workers: number;
  /** Handed to each worker's load. */
  readonly given: Readonly<Record<string, string>>;
  readonly report: (line: string) => void;
}

/** Where a primary's workers listen, and what the load had to say. */
export interface Served {
  readonly url: string;
  readonly listener_url: string;
  readonly admin_url: string | undefined;
  readonly notices: readonly Finding[];
}

/** What keeps a worker from starting, with the system's code for a port that can't be opened. */
export class WorkerStartError extends Error {
  override readonly name = 'WorkerStartError';

  constructor(
    readonly findings: readonly Finding[],
    readonly code: string,
  ) {
    super(findings.map(describeFinding).join('\n'));
  }
}

/**
 * Serves with several processes on one port. The primary holds what they share (limits, blocks, revocations, unless
 * Redis does) and writes the one security log; it serves nothing but the admin listener itself.
 */
export class Primary {
  readonly sink: EventSink;
  readonly #options: PrimaryOptions;
  readonly #state: State;
  readonly #slots: readonly WorkerSlot[];
  readonly #admin: AdminListener;
  readonly #told = { blocks: new Map<string, Block>(), revocations: new Map<string, Block>() };
  readonly #replies = new Map<string, (message: WorkerMessage) => void>();
  readonly #logTimer: NodeJS.Timeout;
  readonly #tools: number;
  #config: LoadedConfig['config'];
  #count = 0;
  #restarts = 0;
  #stopping = false;
  #log = '';
  #onReady: ((message: MessageOf<'ready'>) => void) | undefined;
  #onFailed: ((message: MessageOf<'failed'>) => void) | undefined;

  /** Opens what is shared. Throws LoadError. */
  static async open(loaded: LoadedConfig, options: PrimaryOptions): Promise<Primary> {
    refuseOwnKeys(loaded);
    const sink = openSink(loaded, options.report);
    return new Primary(loaded, options, sink, await openSharedState(loaded, sink, options.report));
  }

  private constructor(loaded: LoadedConfig, options: PrimaryOptions, sink: EventSink, state: State) {
    this.#config = loaded.config;
    this.#tools = loaded.catalog.tools.length;
    this.#options = options;
    this.sink = sink;
    this.#state = state;
    for (const list of ['blocks', 'revocations'] as const) state[list].onChange(() => this.#tellChanges(list));
    const events = {
      onMessage: (slot: WorkerSlot, message: WorkerMessage) => this.#hear(slot, message),
      onEnd: (slot: WorkerSlot, cause: string) => this.#replace(slot, cause),
    };
    this.#slots = Array.from({ length: options.workers }, (_, index) => new WorkerSlot(index + 1, events));
    this.#admin = new AdminListener({
      metrics: { render: () => this.#renderMetrics(), content_type: metricsType },
      readiness: () => this.#readiness(),
      place: loaded.config.server.admin,
      report: options.report,
    });
    this.#logTimer = setInterval(() => this.#tellLog(), logPoll_ms);
  }

  /** Starts the workers and resolves when all of them serve. Throws WorkerStartError when one can't. */
  async serve(): Promise<Served> {
    cluster.setupPrimary({ serialization: 'advanced' });
    const readies: MessageOf<'ready'>[] = [];
    await new Promise<void>((resolve, reject) => {
      this.#onFailed = ({ findings, code }) => reject(new WorkerStartError(findings, code));
      this.#onReady = (message) => {
        if (readies.push(message) === this.#slots.length) resolve();
      };
      for (const slot of this.#slots) slot.start();
      collectAfterStart(this.#tools);
    });
    this.#onFailed = undefined;
    this.#onReady = undefined;
    await this.#admin.listen();
    const [first] = readies;
    if (!first) throw new Error('a primary without workers');
    const { url, listener_url, notices } = first;
    return { url, listener_url, notices, admin_url: this.#admin.url };
  }

  /** Puts a configuration in force in every worker at once, or in none. Throws LoadError. */
  async apply(loaded: LoadedConfig): Promise<void> {
    const slots = this.#slots.filter(({ isReady }) => isReady);
    const { id, replies } = this.#askAll(slots, 'prepare', 'prepared');
    const prepared = await replies;
    const findings = prepared.flatMap((reply) => reply.findings);
    const differ = prepared.length < slots.length || prepared.some(({ digest }) => digest !== digestOf(loaded));
    if (findings.length > 0 || differ) {
      for (const slot of slots) slot.send({ kind: 'abandon', id });
      throw new LoadError(findings.length > 0 ? findings.slice(0, 20) : [changedMeanwhile]);
    }
    for (const slot of slots) slot.send({ kind: 'commit', id });
    this.#config = loaded.config;
  }

  /** Lets every worker finish, and ends those that don't. */
  async close(options: { readonly at_once?: boolean } = {}): Promise<void> {
    this.#stopping = true;
    const { drain_delay_ms, drain_timeout_ms } = this.#config.server;
    const deadline = performance.now() + drain_delay_ms + drain_timeout_ms + killGrace_ms;
    for (const slot of this.#slots) {
      slot.giveUp();
      slot.send({ kind: 'stop', at_once: options.at_once ?? false });
    }
    const running = () => this.#slots.some(({ pid }) => pid !== undefined);
    while (running() && performance.now() < deadline) await wait(20);
    for (const slot of this.#slots) slot.kill();
    while (running()) await wait(20);
    clearInterval(this.#logTimer);
    await this.#admin.close();
    await this.#state.close();
    await this.sink.close();
  }

  #begin(slot: WorkerSlot): void {
    slot.send({
      kind: 'start',
      given: this.#options.given,
      fixed: fixedOf(this.#config),
      log: this.#readLog(),
      blocks: [...this.#state.blocks.list()],
      revocations: [...this.#state.revocations.list()],
    });
  }

  #hear(slot: WorkerSlot, message: WorkerMessage): void {
    switch (message.kind) {
      case 'hello':
        return this.#begin(slot);
      case 'ready':
        slot.isReady = true;
        if (this.#stopping) slot.send({ kind: 'stop', at_once: true });
        return this.#onReady?.(message);
      case 'failed':
        this.#tellFailure(slot, message);
        return this.#onFailed?.(message);
      case 'asks':
        return void this.#answerAsks(slot, message);
      case 'events':
        return this.#record(slot, message);
      case 'block':
        return void this.#follow(message);
      case 'prepared':
      case 'report':
        this.#replies.get(`${message.kind} ${message.id} ${slot.number}`)?.(message);
    }
  }

  #tellFailure({ number }: WorkerSlot, { findings }: MessageOf<'failed'>): void {
    // At the start they are thrown instead.
    if (this.#onFailed) return;
    for (const finding of findings) this.#options.report(`Worker ${number} cannot start: ${describeFinding(finding)}`);
  }

  async #answerAsks(slot: WorkerSlot, { asks }: MessageOf<'asks'>): Promise<void> {
    const answers = await Promise.all(
      asks.map(async ({ id, limiter, mode, limits }) => ({ id, decision: await this.#state[limiter][mode](limits) })),
    );
    slot.send({ kind: 'answers', answers });
  }

  #record(slot: WorkerSlot, { events, lost }: MessageOf<'events'>): void {
    const isLeader = slot === this.#slots.find(({ pid }) => pid !== undefined);
    for (const event of events) if (isLeader || !isCommon(event)) this.sink.emit(event);
    if (lost > 0) this.sink.emit({ event: 'log.lost', outcome: 'failure', reason: 'destination_failed', lost });
    slot.send({ kind: 'recorded', log: this.#readLog() });
  }

  async #follow({ list, id, block }: MessageOf<'block'>): Promise<void> {
    if (block) await this.#state[list].block(id, block.until_ms, block.reason);
    else await this.#state[list].unblock(id);
  }

  #tellChanges(list: 'blocks' | 'revocations'): void {
    for (const { id, block } of listChanges(this.#state[list], this.#told[list])) {
      for (const slot of this.#slots) slot.send({ kind: 'block', list, id, block });
    }
  }

  /** Calls in flight there left no event, so the log says that a worker was lost. */
  #replace(slot: WorkerSlot, cause: string): void {
    if (this.#stopping || this.#onFailed) return;
    this.#restarts++;
    const wait_ms = slot.restart();
    this.sink.emit({ event: 'worker.lost', outcome: 'failure', reason: cause, worker: slot.number });
    this.#options.report(`Worker ${slot.number} ended (${cause}); another starts in ${wait_ms} ms.`);
  }

  #readLog(): LogState {
    return { accepting: this.sink.accepting, ...this.sink.state() };
  }

  #tellLog(): void {
    const log = this.#readLog();
    const written = JSON.stringify(log);
    if (written === this.#log) return;
    this.#log = written;
    for (const slot of this.#slots) slot.send({ kind: 'log', log });
  }

  /** Asks workers and resolves with the answers of those that are still there. */
  #askAll<Kind extends 'prepared' | 'report'>(
    slots: readonly WorkerSlot[],
    question: 'prepare' | 'report',
    kind: Kind,
  ): { readonly id: number; readonly replies: Promise<readonly MessageOf<Kind>[]> } {
    const id = ++this.#count;
    const isReply = (message: WorkerMessage): message is MessageOf<Kind> => message.kind === kind;
    const replies = slots.map(async (slot) => {
      const key = `${kind} ${id} ${slot.number}`;
      const answered = new Promise<WorkerMessage | undefined>((resolve) => this.#replies.set(key, resolve));
      slot.send({ kind: question, id });
      const reply = await Promise.race([answered, wait(answerPatience_ms, undefined, { ref: false })]);
      this.#replies.delete(key);
      return reply && isReply(reply) ? [reply] : [];
    });
    return { id, replies: Promise.all(replies).then((all) => all.flat()) };
  }

  async #askReports(): Promise<readonly MessageOf<'report'>[]> {
    return this.#askAll(
      this.#slots.filter(({ isReady }) => isReady),
      'report',
      'report',
    ).replies;
  }

  async #renderMetrics(): Promise<string> {
    const reports = await this.#askReports();
    const own = [
      '# HELP gatehouse_workers Workers that serve.',
      '# TYPE gatehouse_workers gauge',
      `gatehouse_workers ${reports.length}`,
      '# HELP gatehouse_worker_restarts_total Workers that ended without being told to.',
      '# TYPE gatehouse_worker_restarts_total counter',
      `gatehouse_worker_restarts_total ${this.#restarts}`,
    ];
    return mergeMetrics([...reports.map(({ metrics }) => metrics), own.join('\n')]);
  }

  async #readiness(): Promise<Readiness> {
    const workers = (await this.#askReports()).map(({ readiness }) => readiness);
    const isWell = workers.length === this.#slots.length && workers.every(({ status }) => status === 'ok');
    return {
      status: this.#stopping ? 'draining' : isWell ? 'ok' : 'degraded',
      security_log: this.sink.state(),
      workers,
    };
  }
}

const metricsType = 'text/plain; version=0.0.4; charset=utf-8';

// Each worker would sign with a key of its own, which the others don't know.
function refuseOwnKeys({ config, file, lineOf }: LoadedConfig): void {
  const issues = config.callers.some(({ oauth_client }) => oauth_client !== undefined);
  if (!issues || config.auth.issuer.key_file !== undefined) return;
  const line = lineOf('/auth/issuer') ?? lineOf('/callers') ?? 1;
  throw LoadError.of({
    rule: 'workers-need-key-file',
    file,
    pointer: '/auth/issuer/key_file',
    line,
    message: 'With several workers, the keys that sign tokens have to stand in a file that all of them read.',
    mend: 'Set auth.issuer.key_file to a file in a directory that this user may write; it is made when it is not there.',
  });
}

const changedMeanwhile: Finding = {
  rule: 'changed-meanwhile',
  severity: 'error',
  pointer: '',
  message: 'The workers read different configurations: a file changed in the middle of the reload.',
  mend: 'The change that came last is read by itself; else send SIGHUP.',
};
