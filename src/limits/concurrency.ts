import type { ConcurrencyConfig } from './config.js';

/** Which cap refused; the `reason` of the event. */
export type BusyReason = 'caller_busy' | 'tool_busy' | 'upstream_busy';

/**
 * Counts the calls in flight of each caller, tool and upstream, so that one of them can't take all there is. Entering is
 * three look-ups and allocates nothing; what is idle is not held.
 */
export class ConcurrencyCaps {
  readonly #callers: InFlight;
  readonly #tools: InFlight;
  readonly #upstreams: InFlight;

  constructor(config: ConcurrencyConfig) {
    this.#callers = new InFlight(config.per_caller);
    this.#tools = new InFlight(config.per_tool);
    this.#upstreams = new InFlight(config.per_upstream);
  }

  /** Enters a call, or says which cap is reached, and then nothing was entered. Each entry is left once by `leave`. */
  enter(caller: string, tool: string, upstream: string): BusyReason | undefined {
    if (this.#callers.full(caller)) return 'caller_busy';
    if (this.#tools.full(tool)) return 'tool_busy';
    if (this.#upstreams.full(upstream)) return 'upstream_busy';
    this.#callers.add(caller);
    this.#tools.add(tool);
    this.#upstreams.add(upstream);
    return undefined;
  }

  /** Leaves a call that was entered under the same names. */
  leave(caller: string, tool: string, upstream: string): void {
    this.#callers.remove(caller);
    this.#tools.remove(tool);
    this.#upstreams.remove(upstream);
  }

  /** Callers, tools and upstreams with a call in flight. */
  get size(): number {
    return this.#callers.size + this.#tools.size + this.#upstreams.size;
  }
}

class InFlight {
  readonly #counts = new Map<string, number>();

  constructor(readonly cap: number) {}

  get size(): number {
    return this.#counts.size;
  }

  full(key: string): boolean {
    return (this.#counts.get(key) ?? 0) >= this.cap;
  }

  add(key: string): void {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  remove(key: string): void {
    const left = (this.#counts.get(key) ?? 0) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}
