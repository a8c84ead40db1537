import type { BreakerConfig } from './config.js';

export type BreakerState = 'closed' | 'open' | 'half_open';

/** Told when a breaker opens or closes. */
export type BreakerListener = (upstream: string, state: BreakerState) => void;

const slots = 10;
/** An upstream that stays away is tried ever less often, up to this many cool-downs apart. */
const maxBackoff = 12;

/**
 * Keeps calls from an upstream that fails: after `minimum_calls` in `window_ms`, of which `failure_ratio` failed, calls
 * are refused for `cool_down_ms`; then one at a time is let through, and `probes` good ones in a row close it again. What
 * the upstream answered (a 404, say) is no failure; that it didn't answer, not in time, or with a 5xx, is.
 */
export class Breaker {
  #config: BreakerConfig;
  readonly #now: () => number;
  readonly #told: (state: BreakerState) => void;
  readonly #good = new Uint32Array(slots);
  readonly #bad = new Uint32Array(slots);
  /** The slot of the latest call, counted from the clock's zero. */
  #slot = 0;
  #state: BreakerState = 'closed';
  /** Counts the changes of state, from 1: a call's end says nothing about a state that it was not begun in. */
  #era = 1;
  #openUntil = 0;
  #openings = 0;
  #probesGood = 0;
  /** When the probe in flight is given up; 0: none. */
  #probeUntil = 0;

  constructor(config: BreakerConfig, now: () => number, told: (state: BreakerState) => void) {
    this.#config = config;
    this.#now = now;
    this.#told = told;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Follows a configuration; what was counted stays. */
  follow(config: BreakerConfig): void {
    this.#config = config;
  }

  /** Milliseconds until a call may be let through; 0 when it may now. */
  get retry_after_ms(): number {
    const until = this.#state === 'open' ? this.#openUntil : this.#state === 'half_open' ? this.#probeUntil : 0;
    return Math.max(0, until - this.#now());
  }

  /** A ticket for a call that may go ahead, to be handed back once by `settle` or `abandon`; 0 when it may not. */
  enter(): number {
    if (this.#state === 'closed') return this.#era;
    const now = this.#now();
    if (this.#state === 'open') {
      if (now < this.#openUntil) return 0;
      this.#probesGood = 0;
      this.#probeUntil = 0;
      this.#change('half_open');
    }
    if (now < this.#probeUntil) return 0;
    // A probe whose end is never told must not keep the breaker half open for ever.
    this.#probeUntil = now + this.#config.cool_down_ms;
    return this.#era;
  }

  /** How a call that entered went. */
  settle(ticket: number, good: boolean): void {
    if (ticket !== this.#era) return;
    if (this.#state === 'closed') this.#count(good);
    else if (this.#state === 'half_open') this.#settleProbe(good);
  }

  /** A call that entered and says nothing about its upstream: the client went away, or it was refused before it began. */
  abandon(ticket: number): void {
    if (ticket === this.#era) this.#probeUntil = 0;
  }

  #settleProbe(good: boolean): void {
    this.#probeUntil = 0;
    if (!good) return this.#open();
    this.#probesGood++;
    if (this.#probesGood < this.#config.probes) return;
    this.#openings = 0;
    this.#good.fill(0);
    this.#bad.fill(0);
    this.#change('closed');
  }

  #count(good: boolean): void {
    this.#turn();
    const counts = good ? this.#good : this.#bad;
    const index = this.#slot % slots;
    counts[index] = (counts[index] ?? 0) + 1;
    if (good) return;
    const bad = sum(this.#bad);
    const all = bad + sum(this.#good);
    if (all >= this.#config.minimum_calls && bad >= all * this.#config.failure_ratio) this.#open();
  }

  /** Empties the slots that time has passed over. */
  #turn(): void {
    const slot = Math.floor(this.#now() / (this.#config.window_ms / slots));
    const passed = Math.min(slots, slot - this.#slot);
    for (let step = 1; step <= passed; step++) {
      const index = (this.#slot + step) % slots;
      this.#good[index] = 0;
      this.#bad[index] = 0;
    }
    this.#slot = passed === slots ? slot : this.#slot + Math.max(0, passed);
  }

  #open(): void {
    this.#openings++;
    const backoff = Math.min(2 ** (this.#openings - 1), maxBackoff);
    this.#openUntil = this.#now() + this.#config.cool_down_ms * backoff;
    this.#change('open');
  }

  #change(state: BreakerState): void {
    this.#state = state;
    this.#era++;
    this.#told(state);
  }
}

/** The breakers of all upstreams that the manuals name. */
export class Breakers {
  readonly #breakers = new Map<string, Breaker>();
  #config: BreakerConfig;

  constructor(
    config: BreakerConfig,
    readonly listener: BreakerListener = () => undefined,
    readonly now: () => number = () => performance.now(),
  ) {
    this.#config = config;
  }

  /** The breaker of an upstream; ask once, when a tool is bound, and keep it. */
  of(upstream: string): Breaker {
    let breaker = this.#breakers.get(upstream);
    if (!breaker) {
      breaker = new Breaker(this.#config, this.now, (state) => this.listener(upstream, state));
      this.#breakers.set(upstream, breaker);
    }
    return breaker;
  }

  /** Follows a configuration. */
  follow(config: BreakerConfig): void {
    this.#config = config;
    for (const breaker of this.#breakers.values()) breaker.follow(config);
  }

  /** Forgets the breakers of upstreams that no tool calls any more. */
  retain(upstreams: ReadonlySet<string>): void {
    for (const upstream of this.#breakers.keys()) if (!upstreams.has(upstream)) this.#breakers.delete(upstream);
  }

  /** The state of each, for metrics and `/readyz?verbose`. */
  states(): ReadonlyMap<string, BreakerState> {
    return new Map([...this.#breakers].map(([upstream, breaker]) => [upstream, breaker.state]));
  }
}

function sum(counts: Uint32Array): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
