import type { ConcurrencyConfig } from './config.js';

/** Which cap refused; the `reason` of the event. */
export type BusyReason = 'caller_busy' | 'caller_upstream_busy' | 'tool_busy' | 'upstream_busy';

/**
 * Counts the calls in flight of each caller, tool and upstream, so that one of them can't take all there is, and of each
 * caller to each upstream, so that one that hangs can't take all that a caller may do. Entering is a look-up for each and a
 * seat; of what is idle, some names are kept.
 */
export class ConcurrencyCaps {
  readonly #callers = new InFlight(() => new CallerCount());
  readonly #tools = new InFlight(() => new Count());
  readonly #upstreams = new InFlight(() => new Count());
  #caps: ConcurrencyConfig;

  constructor(config: ConcurrencyConfig) {
    this.#caps = config;
  }

  /** Follows a configuration; what is in flight stays, and counts. */
  follow(config: ConcurrencyConfig): void {
    this.#caps = config;
  }

  /** Enters a call and gives its seat, to be left once; or says which cap is reached, and then nothing was entered. */
  enter(caller: string, tool: string, upstream: string): Seat | BusyReason {
    const caps = this.#caps;
    const ofCaller = this.#callers.of(caller);
    const ofPair = ofCaller.to(upstream);
    const ofTool = this.#tools.of(tool);
    const ofUpstream = this.#upstreams.of(upstream);
    if (ofCaller.calls >= caps.per_caller) return 'caller_busy';
    if (ofPair.calls >= caps.per_caller_and_upstream) return 'caller_upstream_busy';
    if (ofTool.calls >= caps.per_tool) return 'tool_busy';
    if (ofUpstream.calls >= caps.per_upstream) return 'upstream_busy';
    return new Seat(ofCaller, ofPair, ofTool, ofUpstream);
  }

  /** Callers, pairs of caller and upstream, tools and upstreams with a call in flight. */
  get size(): number {
    const pairs = [...this.#callers].flatMap((caller) => caller.pairs);
    const all = [...this.#callers, ...pairs, ...this.#tools, ...this.#upstreams];
    return all.filter(({ calls }) => calls > 0).length;
  }
}

class Count {
  calls = 0;
}

/** A caller's calls in flight, in all and to each upstream; the upstream that it called last is at hand. */
class CallerCount extends Count {
  #last = '';
  #pair: Count | undefined;
  /** Once there is more than one upstream. */
  #pairs: Map<string, Count> | undefined;

  to(upstream: string): Count {
    if (this.#pair && this.#last === upstream) return this.#pair;
    if (this.#pair) this.#pairs ??= new Map([[this.#last, this.#pair]]);
    const pair = this.#pairs?.get(upstream) ?? new Count();
    this.#pairs?.set(upstream, pair);
    this.#last = upstream;
    this.#pair = pair;
    return pair;
  }

  get pairs(): readonly Count[] {
    if (this.#pairs) return [...this.#pairs.values()];
    return this.#pair ? [this.#pair] : [];
  }
}

/** What one call in flight takes of each cap. */
export class Seat {
  constructor(
    readonly ofCaller: Count,
    readonly ofPair: Count,
    readonly ofTool: Count,
    readonly ofUpstream: Count,
  ) {
    ofCaller.calls++;
    ofPair.calls++;
    ofTool.calls++;
    ofUpstream.calls++;
  }

  /** Gives it back; once. */
  leave(): void {
    this.ofCaller.calls--;
    this.ofPair.calls--;
    this.ofTool.calls--;
    this.ofUpstream.calls--;
  }
}

/** Names that are kept whether a call of theirs is in flight or not: taking them out and in at every call would cost more. */
const keptNames = 16_384;

class InFlight<Of extends Count> {
  readonly #counts = new Map<string, Of>();
  readonly #make: () => Of;
  /** At so many names the idle ones go. */
  #sweepAt = keptNames;

  constructor(make: () => Of) {
    this.#make = make;
  }

  /** The count of a name; it must be at zero again when nobody holds it. */
  of(name: string): Of {
    let count = this.#counts.get(name);
    if (!count) {
      if (this.#counts.size >= this.#sweepAt) this.#sweep();
      count = this.#make();
      this.#counts.set(name, count);
    }
    return count;
  }

  [Symbol.iterator](): Iterator<Of> {
    return this.#counts.values();
  }

  #sweep(): void {
    for (const [name, { calls }] of this.#counts) if (calls === 0) this.#counts.delete(name);
    this.#sweepAt = Math.max(keptNames, this.#counts.size * 2);
  }
}
