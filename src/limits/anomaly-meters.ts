import { toAddressKey } from './address.js';

/** A mean and a variance in which what is long ago weighs ever less (exponentially weighted). */
export class Baseline {
  mean = 0;
  variance = 0;
  samples = 0;

  /** @param memory how many samples back the weight has fallen to about a third */
  constructor(readonly memory: number) {}

  learn(value: number): void {
    this.samples++;
    const weight = 1 / Math.min(this.samples, this.memory);
    const delta = value - this.mean;
    this.mean += weight * delta;
    this.variance = (1 - weight) * (this.variance + weight * delta * delta);
  }
}

const interval_ms = 10_000;
/** An idle night must not teach that the morning is unusual. */
const maxIdleIntervals = 6;
const rateMemory = 180;

/** Requests in intervals of 10 s, against a learned mean. */
export class RateMeter {
  readonly usual = new Baseline(rateMemory);
  count = 0;
  #interval = Number.NaN;
  /** Of this interval: what was usual before it began does not change while it lasts. */
  #threshold = 0;

  /** Counts one; says above how many the interval would be unusual. */
  tick(at_ms: number, deviations: number, minimum: number): number {
    const interval = Math.floor(at_ms / interval_ms);
    if (interval !== this.#interval) this.#turn(interval, deviations, minimum);
    this.count++;
    return this.#threshold;
  }

  #turn(interval: number, deviations: number, minimum: number): void {
    if (!Number.isNaN(this.#interval)) {
      // What was far out teaches no more than the threshold: an attack must not make itself usual at once.
      this.usual.learn(Math.min(this.count, this.#threshold));
      const idle = Math.min(interval - this.#interval - 1, maxIdleIntervals);
      for (let step = 0; step < idle; step++) this.usual.learn(0);
    }
    this.#interval = interval;
    this.count = 0;
    // Counts of independent events vary by their mean (Poisson); a caller's may vary more, never taken to vary less.
    const spread = Math.sqrt(Math.max(this.usual.variance, this.usual.mean, 1));
    this.#threshold = Math.max(minimum, this.usual.mean + deviations * spread);
  }
}

/** Events of the last while: each weighs less the longer ago it is. */
export class DecayingCount {
  #count = 0;
  #at_ms = 0;

  constructor(readonly span_ms: number) {}

  at(at_ms: number): number {
    const passed = Math.max(0, at_ms - this.#at_ms);
    return this.#count * Math.exp(-passed / this.span_ms);
  }

  add(at_ms: number): number {
    this.#count = this.at(at_ms) + 1;
    this.#at_ms = Math.max(at_ms, this.#at_ms);
    return this.#count;
  }
}

/** A salt of this process, so that nobody can pick names that fall together. */
const salt = Math.trunc(Math.random() * 2 ** 32);

/** A 32-bit hash (FNV-1a, then mixed); for sketches, not for security beyond its salt. */
function hashText(text: string): number {
  let value = salt ^ 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

const maxSamples = 5;
const maxSampleLength = 100;

/** How many different names came within a window; up to 64 of them are told apart. */
export class DistinctNames {
  count = 0;
  /** The first few, for the evidence. */
  samples: string[] = [];
  #bits = new Uint32Array(2);
  #until = 0;

  constructor(readonly window_ms: number) {}

  add(name: string, at_ms: number): number {
    if (at_ms >= this.#until) {
      this.#until = at_ms + this.window_ms;
      this.#bits.fill(0);
      this.count = 0;
      this.samples = [];
    }
    const bit = hashText(name) & 63;
    const word = this.#bits[bit >> 5] ?? 0;
    const mask = 1 << (bit & 31);
    if ((word & mask) !== 0) return this.count;
    this.#bits[bit >> 5] = word | mask;
    if (this.samples.length < maxSamples) this.samples.push(copyStart(name));
    return ++this.count;
  }
}

/** Which names were ever seen, in 128 bytes (a Bloom filter): it may take a new one for known, never the reverse. */
export class SeenNames {
  readonly #bits = new Uint32Array(32);

  /** Adds the name; says whether it was new. */
  add(name: string): boolean {
    const hash = hashText(name);
    const first = this.#set(hash & 1023);
    const second = this.#set((hash >>> 16) & 1023);
    return first || second;
  }

  #set(bit: number): boolean {
    const word = this.#bits[bit >> 5] ?? 0;
    const mask = 1 << (bit & 31);
    this.#bits[bit >> 5] = word | mask;
    return (word & mask) === 0;
  }
}

/** From how many addresses something came within a window. */
export class Spread {
  readonly #addresses: number[] = [];
  readonly #seen_ms: number[] = [];
  #last = '';
  #lastIndex = -1;
  /** Of `#last`; in the list once another address comes. */
  #lastSeen_ms = 0;
  #count = 0;

  constructor(
    readonly window_ms: number,
    readonly max: number,
  ) {}

  /** Counts an address; gives how many there are now, up to one more than `max`. */
  add(address: string, at_ms: number): number {
    if (address === this.#last && this.#lastIndex >= 0) {
      this.#lastSeen_ms = at_ms;
      return this.#count;
    }
    if (this.#lastIndex >= 0) this.#seen_ms[this.#lastIndex] = this.#lastSeen_ms;
    this.#forget(at_ms - this.window_ms);
    const key = hashText(toAddressKey(address));
    let index = this.#addresses.indexOf(key);
    if (index < 0) {
      if (this.#addresses.length > this.max) this.#drop(0);
      index = this.#addresses.push(key) - 1;
    }
    this.#seen_ms[index] = at_ms;
    this.#last = address;
    this.#lastIndex = index;
    this.#lastSeen_ms = at_ms;
    this.#count = this.#addresses.length;
    return this.#count;
  }

  #forget(before_ms: number): void {
    for (let index = this.#addresses.length - 1; index >= 0; index--) {
      if ((this.#seen_ms[index] ?? 0) < before_ms) this.#drop(index);
    }
  }

  #drop(index: number): void {
    this.#addresses.splice(index, 1);
    this.#seen_ms.splice(index, 1);
    this.#lastIndex = -1;
  }
}

/** A slice would keep the whole of a long name alive. */
function copyStart(name: string): string {
  return Buffer.from(name.slice(0, maxSampleLength)).toString();
}
