import { capture } from './capture.js';
import { readCpu_us, readMemory_mib } from './machine.js';
import { summarize } from './statistics.js';

export const connections = 32;

/** Sends loads to servers, one at a time, and reads what each costs. */
export class Meter {
  #load;
  #raw;
  #settings;
  #batches = new Map();

  /** `settings`: `pairs`, `run_ms` and `warm_ms`. */
  constructor(load, raw, settings) {
    this.#load = load;
    this.#raw = raw;
    this.#settings = settings;
  }

  /** One load; throws when anything but the expected status came back. */
  async run({ server, requests, status = 200 }, duration_ms = this.#settings.run_ms) {
    const batch = await this.#store(requests);
    const before = readCpu_us(server.pid);
    const result = await this.#load.ask({ batch, port: server.port, connections, duration_ms });
    const spent = before === undefined ? undefined : readCpu_us(server.pid) - before;
    const strange = Object.keys(result.statuses).filter((seen) => seen !== String(status));
    if (strange.length > 0) throw new Error(`Expected status ${status}, got ${JSON.stringify(result.statuses)}`);
    return {
      rate: result.completed / (result.elapsed_ms / 1000),
      p50_ms: result.p50_ms,
      p99_ms: result.p99_ms,
      cpu_us: spent === undefined ? undefined : spent / result.completed,
      server_busy: spent === undefined ? undefined : spent / 1000 / result.elapsed_ms,
      load_busy: result.load_busy,
    };
  }

  /** A B A B …: the median of the pairs' ratios, by rate and by processor time a request. */
  async compare(base, contender) {
    const { pairs, warm_ms } = this.#settings;
    for (const side of [base, contender]) await this.run(side, warm_ms);
    const runs = [];
    for (let pair = 0; pair < pairs; pair++) runs.push([await this.run(base), await this.run(contender)]);
    const bases = runs.map(([side]) => side);
    const contenders = runs.map(([, side]) => side);
    const hasCpu = runs.flat().every(({ cpu_us }) => cpu_us !== undefined);
    return {
      ratio: summarize(runs.map(([one, other]) => other.rate / one.rate)),
      ...(hasCpu && { cpu_ratio: summarize(runs.map(([one, other]) => one.cpu_us / other.cpu_us)) }),
      sides: {
        base: describeSide(bases),
        contender: { ...describeSide(contenders), memory_mib: readMemory_mib(contender.server.pid) },
      },
    };
  }

  /** Compares with the raw server, which is told to write the bytes that the contender answers with. */
  async compareWithRaw(contender) {
    const answer = await capture(contender.server.port, contender.requests[0]);
    if (answer.status !== (contender.status ?? 200)) {
      throw new Error(`Answered ${answer.status}: ${Buffer.from(answer.body, 'base64').toString().slice(0, 500)}`);
    }
    await this.#raw.ask(answer);
    return this.compare({ ...contender, server: this.#raw }, contender);
  }

  async #store(requests) {
    let batch = this.#batches.get(requests);
    if (batch === undefined) {
      batch = this.#batches.size;
      this.#batches.set(requests, batch);
      await this.#load.ask({ batch, requests });
    }
    return batch;
  }
}

function describeSide(runs) {
  const middle = (name) =>
    runs.some((run) => run[name] === undefined) ? undefined : summarize(runs.map((run) => run[name])).median;
  const names = ['rate', 'p50_ms', 'p99_ms', 'cpu_us', 'server_busy', 'load_busy'];
  return Object.fromEntries(names.map((name) => [name, middle(name)]));
}
