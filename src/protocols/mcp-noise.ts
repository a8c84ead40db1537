const windowMs = 10_000;
const perWindow = 5_000;

/** Counts what a server sends unasked, in fixed windows of ten seconds. */
export class NoiseMeter {
  #count = 0;
  #windowEndsAt = 0;

  /** Counts one more, and says whether it is one too many. */
  exceeds(): boolean {
    const now = performance.now();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + windowMs;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count > perWindow;
  }
}
