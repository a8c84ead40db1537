import { setTimeout as sleep } from 'node:timers/promises';
import { SoakClient, traffic } from './load.js';
import { type Sample, takeSample } from './sample.js';
import type { SoakServer } from './server.js';

export interface SoakOptions {
  readonly minutes: number;
  /** Requests a second. */
  readonly rate: number;
  readonly samples: number;
  /** Told of each sample as it is taken. */
  readonly onSample?: (sample: Sample) => void;
}

export interface SoakResult {
  readonly samples: readonly Sample[];
  /** How often each kind of traffic ended how. */
  readonly outcomes: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly requests: number;
  readonly reloads: number;
}

/** How often at least, and how often in a run at least, so that what a reload leaves behind shows in a short one too. */
const reloadEvery_ms = 6000;
const minReloads = 60;
const maxInFlight = 48;

/** Sends mixed load and samples the server at rest, again and again. */
export async function runSoak(server: SoakServer, options: SoakOptions): Promise<SoakResult> {
  const client = new SoakClient(server.replica.url);
  const load = new Load(client);
  const samples: Sample[] = [];
  const start = performance.now();
  const slice_ms = (options.minutes * 60_000) / options.samples;
  const reload_ms = Math.min(reloadEvery_ms, (options.minutes * 60_000) / minReloads);
  let reloads = 0;
  for (let slice = 1; slice <= options.samples; slice++) {
    const end = start + slice * slice_ms;
    for (let reload_at = performance.now(); performance.now() < end; ) {
      if (performance.now() >= reload_at) {
        server.reload(reloads++);
        reload_at += reload_ms;
      }
      await load.run(options.rate, Math.min(end, reload_at));
    }
    await load.settle();
    const sample = await takeSample(server.replica, (performance.now() - start) / 60_000);
    samples.push(sample);
    options.onSample?.(sample);
  }
  return { samples, outcomes: load.outcomes, requests: load.turns, reloads };
}

class Load {
  readonly outcomes = new Map<string, Map<string, number>>();
  turns = 0;
  readonly #running = new Set<Promise<void>>();
  readonly #deck = traffic.flatMap((kind) => Array.from({ length: kind.share }, () => kind));

  constructor(readonly client: SoakClient) {}

  /** Starts so many a second until then, fewer when the server does not keep up. */
  async run(rate: number, end: number): Promise<void> {
    const start = performance.now();
    for (let started = 0; performance.now() < end; started++) {
      await sleep(Math.max(0, start + (started * 1000) / rate - performance.now()));
      if (this.#running.size >= maxInFlight) await Promise.race(this.#running);
      this.#start();
    }
  }

  /** Waits until all is answered, and the server has done what comes after. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
    await this.client.disconnect();
    await sleep(500);
  }

  #start(): void {
    const turn = this.turns++;
    // A stride that shares no factor with the deck deals every card, in an order that mixes the kinds.
    const kind = this.#deck[(turn * 37) % this.#deck.length];
    if (!kind) return;
    const running = kind
      .go(this.client, turn)
      .catch((error: unknown) => (error instanceof Error ? error.name : 'error'))
      .then((outcome) => {
        this.#count(kind.name, outcome);
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  #count(kind: string, outcome: string): void {
    const counts = this.outcomes.get(kind) ?? new Map<string, number>();
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    this.outcomes.set(kind, counts);
  }
}
