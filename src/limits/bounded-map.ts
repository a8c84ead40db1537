/** Nobody pays for a long round: after this many second chances the next one goes. */
const evictionPatience = 64;

/** Values by key, so many at most; a new one takes the place of one that was not asked for lately. */
export class BoundedMap<Value extends { used: boolean }> {
  readonly #values = new Map<string, Value>();
  #hand: MapIterator<[string, Value]> = this.#values.entries();

  constructor(readonly max: number) {}

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value) value.used = true;
    return value;
  }

  set(key: string, value: Value): void {
    if (this.#values.size >= this.max && !this.#values.has(key)) this.#evict();
    // Whoever comes only once is the first to go.
    value.used = false;
    this.#values.set(key, value);
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
