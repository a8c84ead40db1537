import type { ConcurrencyConfig } from './config.js';

/** Which cap refused; the `reason` of the event. */
export type BusyReason = 'caller_busy' | 'caller_upstream_busy' | 'tool_busy' | 'upstream_busy';

/**
 * Counts the calls in flight of each caller, tool and upstream, so that one of them can't take all there is, and of each
 * caller to each upstream, so that one that hangs can't take all that a caller may do. Of what is idle, some names are kept.
 */
export class ConcurrencyCaps {
  readonly #callers: InFlight;
  readonly #pairs: InFlight;
  readonly #tools: InFlight;
  readonly #upstreams: InFlight;

  constructor(config: ConcurrencyConfig) {
    this.#callers = new InFlight(config.per_caller);
    this.#pairs = new InFlight(config.per_caller_and_upstream);
    this.#tools = new InFlight(config.per_tool);
    this.#upstreams = new InFlight(config.per_upstream);
  }

  /** Follows a configuration; what is in flight stays, and counts. */
  follow(config: ConcurrencyConfig): void {
    this.#callers.cap = config.per_caller;
    this.#pairs.cap = config.per_caller_and_upstream;
    this.#tools.cap = config.per_tool;
    this.#upstreams.cap = config.per_upstream;
  }

  /** Enters a call, or says which cap is reached, and then nothing was entered. Each entry is left once by `leave`. */
  enter(caller: string, tool: string, upstream: string): BusyReason | undefined {
    const pair = pairOf(caller, upstream);
    if (this.#callers.full(caller)) return 'caller_busy';
    if (this.#pairs.full(pair)) return 'caller_upstream_busy';
    if (this.#tools.full(tool)) return 'tool_busy';
    if (this.#upstreams.full(upstream)) return 'upstream_busy';
    this.#callers.add(caller);
    this.#pairs.add(pair);
    this.#tools.add(tool);
    this.#upstreams.add(upstream);
    return undefined;
  }

  /** Leaves a call that was entered under the same names. */
  leave(caller: string, tool: string, upstream: string): void {
    this.#callers.remove(caller);
    this.#pairs.remove(pairOf(caller, upstream));
    this.#tools.remove(tool);
    this.#upstreams.remove(upstream);
  }

  /** Callers, pairs of caller and upstream, tools and upstreams with a call in flight. */
  get size(): number {
    return this.#callers.size + this.#pairs.size + this.#tools.size + this.#upstreams.size;
  }
}

// No upstream's name holds a line feed, so no two pairs can meet.
function pairOf(caller: string, upstream: string): string {
  return `${upstream}\n${caller}`;
}

/** Names that are kept while idle: taking them out and in again at every call costs more than counting. */
const maxIdle = 1024;

class InFlight {
  readonly #counts = new Map<string, number>();
  #busy = 0;

  constructor(public cap: number) {}

  /** How many have a call in flight. */
  get size(): number {
    return this.#busy;
  }

  full(key: string): boolean {
    return (this.#counts.get(key) ?? 0) >= this.cap;
  }

  add(key: string): void {
    const count = this.#counts.get(key) ?? 0;
    if (count === 0) this.#busy++;
    this.#counts.set(key, count + 1);
  }

  remove(key: string): void {
    const left = (this.#counts.get(key) ?? 0) - 1;
    if (left > 0) {
      this.#counts.set(key, left);
      return;
    }
    this.#busy--;
    if (this.#counts.size - this.#busy > maxIdle) this.#counts.delete(key);
    else this.#counts.set(key, 0);
  }
}
