/** The load, in a process of its own: sends prepared bytes over keep-alive connections for a while, and counts. */
import { Connection } from './connection.js';

const bucket_ms = 0.01;
const buckets = 100_000;
const batches = new Map();

class Run {
  #requests;
  #at = 0;
  #running = true;
  #latencies = new Uint32Array(buckets);
  #active;
  #done;
  completed = 0;
  statuses = {};

  constructor(requests, connections) {
    this.#requests = requests;
    this.#active = connections;
    this.ended = new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  next() {
    const request = this.#requests[this.#at++];
    if (this.#at === this.#requests.length) this.#at = 0;
    return request;
  }

  /** Counts an answer; says whether another request should go out. */
  count(status, latency_ms) {
    this.completed++;
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    this.#latencies[Math.min(buckets - 1, Math.trunc(latency_ms / bucket_ms))]++;
    if (!this.#running) this.#leave();
    return this.#running;
  }

  /** A server that closes a connection under load has failed the measurement. */
  lose() {
    if (!this.#running) return;
    this.statuses.lost = (this.statuses.lost ?? 0) + 1;
    this.#leave();
  }

  stop() {
    this.#running = false;
  }

  percentile(share) {
    let left = Math.ceil(this.completed * share);
    for (let index = 0; index < buckets; index++) {
      left -= this.#latencies[index];
      if (left <= 0) return (index + 0.5) * bucket_ms;
    }
    return buckets * bucket_ms;
  }

  #leave() {
    if (--this.#active === 0) this.#done();
  }
}

async function measure({ batch, port, connections, duration_ms }) {
  const run = new Run(batches.get(batch), connections);
  const open = Array.from({ length: connections }, () => new Connection(run, port));
  await Promise.all(open.map(({ ready }) => ready));
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (const connection of open) connection.send();
  setTimeout(() => run.stop(), duration_ms);
  await run.ended;
  const elapsed_ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  for (const connection of open) connection.end();
  return {
    completed: run.completed,
    statuses: run.statuses,
    elapsed_ms,
    p50_ms: run.percentile(0.5),
    p99_ms: run.percentile(0.99),
    load_busy: (user + system) / 1000 / elapsed_ms,
  };
}

process.on('message', (message) => {
  if (message.requests) {
    batches.set(
      message.batch,
      message.requests.map((text) => Buffer.from(text)),
    );
    process.send({ id: message.id });
    return;
  }
  measure(message).then(
    (result) => process.send({ id: message.id, result }),
    (error) => process.send({ id: message.id, error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
