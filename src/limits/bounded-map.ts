/** Nobody pays for a long round: after this many second chances the next one goes. */
const evictionPatience = 64;

/** Values by key, so many at most; a new one is made, and takes the place of one that was not asked for lately. */
export class BoundedMap<Value extends { used: boolean }> {
  readonly #values = new Map<string, Value>();
  #hand: MapIterator<[string, Value]> = this.#values.entries();

  constructor(
    readonly max: number,
    /** Makes a value at a time in epoch milliseconds; it is not used yet. */
    readonly make: (at_ms: number) => Value,
  ) {}

  get size(): number {
    return this.#values.size;
  }

  /** The value of a key, made now where there is none. */
  of(key: string, at_ms: number): Value {
    const known = this.#values.get(key);
    if (known) {
      known.used = true;
      return known;
    }
    if (this.#values.size >= this.max) this.#evict();
    // Whoever comes only once is the first to go.
    const made = this.make(at_ms);
    this.#values.set(key, made);
    return made;
  }

  /** Whoever was asked for since the hand last came by is passed over (the clock algorithm). */
  #evict(): void {
    for (let step = 0; ; step++) {
      let next = this.#hand.next();
      if (next.done) {
        this.#hand = this.#values.entries();
        next = this.#hand.next();
        if (next.done) return;
      }
      const [key, value] = next.value;
      if (!value.used || step >= evictionPatience) {
        this.#values.delete(key);
        return;
      }
      value.used = false;
    }
  }
}
