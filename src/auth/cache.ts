interface Entry<Value> {
  readonly value: Value;
  /** Epoch milliseconds; Infinity: no end of its own. */
  readonly expires_at: number;
}

/** How many entries each new one looks at for those whose end has come. */
const sweepSteps = 4;

/**
 * Verified credentials by digest: at most `capacity`; of those used since it was half full, the longest unused leaves
 * first. Only what verified gets in, so nobody without a good credential can push others out. What has ended is let go
 * of soon, so that a caller with a new token for each call fills nothing.
 */
export class PrincipalCache<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #capacity: number;
  #hand: MapIterator<[string, Entry<Value>]> = this.#entries.entries();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value, while `now` (epoch milliseconds) is before its end. */
  get(digest: string, now: number): Value | undefined {
    const entry = this.#entries.get(digest);
    if (!entry) return undefined;
    if (now >= entry.expires_at) {
      this.#entries.delete(digest);
      return undefined;
    }
    // A Map keeps insertion order, so what was used last stands last. Far from the bound nobody leaves, and reordering
    // at every request would be work for nothing.
    if (this.#entries.size > this.#capacity / 2) {
      this.#entries.delete(digest);
      this.#entries.set(digest, entry);
    }
    return entry.value;
  }

  /** `now` in epoch milliseconds. */
  set(digest: string, value: Value, expiresAt: number | undefined, now: number): void {
    this.#sweep(now);
    this.#entries.delete(digest);
    if (this.#entries.size >= this.#capacity) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(digest, { value, expires_at: expiresAt ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#entries.clear();
  }

  #sweep(now: number): void {
    for (let step = 0; step < sweepSteps; step++) {
      const next = this.#hand.next();
      if (next.done) {
        this.#hand = this.#entries.entries();
        return;
      }
      const [digest, entry] = next.value;
      if (now >= entry.expires_at) this.#entries.delete(digest);
    }
  }
}
