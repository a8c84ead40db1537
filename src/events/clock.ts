/** The ISO 8601 form of event times: the second is written out once, each millisecond of it is put behind. */
export class EventClock {
  #second = Number.NaN;
  #prefix = '';
  #millisecond = Number.NaN;
  #time = '';

  /** As `toISOString` writes it. @param now epoch milliseconds */
  format(now: number): string {
    if (now === this.#millisecond) return this.#time;
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = new Date(second * 1000).toISOString().slice(0, -4);
    }
    this.#millisecond = now;
    this.#time = `${this.#prefix}${String(now - second * 1000).padStart(3, '0')}Z`;
    return this.#time;
  }
}
