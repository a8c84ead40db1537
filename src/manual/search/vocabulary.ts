import SearchableMap from 'minisearch/SearchableMap';

/** Appearances of words in tools that one search weighs; common words beyond it are left out while rarer ones are left. */
const maxWeighed = 5000;
/** Unknown words of a query that are looked for in others, and how many others each may stand for. */
const maxGuessed = 4;
const maxGuesses = 8;
/** Words up to which misspellings are looked for: that takes time for each. */
const maxForgiving = 50_000;

/** The words of an index, each with the number of tools that it stands in. */
export class Vocabulary {
  readonly #frequencies = new SearchableMap<number>();

  /** The words of one more tool. */
  add(terms: ReadonlySet<string>): void {
    for (const term of terms) this.#frequencies.set(term, this.#frequency(term) + 1);
  }

  /**
   * The words that a search looks for, with their weights: those of the query that are known, the rarest first as far as
   * one search may go, and for unknown ones the words that they may begin or misspell.
   */
  weigh(terms: readonly string[]): ReadonlyMap<string, number> {
    const weights = new Map<string, number>();
    let weighed = 0;
    const take = (term: string, weight: number) => {
      const frequency = this.#frequency(term);
      if (weights.size > 0 && weighed + frequency > maxWeighed) return;
      weighed += frequency;
      weights.set(term, Math.max(weight, weights.get(term) ?? 0));
    };
    const known = terms.filter((term) => this.#frequencies.has(term));
    const unknown = terms.filter((term) => !this.#frequencies.has(term)).slice(0, maxGuessed);
    for (const term of known.sort((one, other) => this.#frequency(one) - this.#frequency(other))) take(term, 1);
    for (const [guess, weight] of unknown.flatMap((term) => this.#guess(term))) take(guess, weight);
    return weights;
  }

  /** What an unknown word may stand for, the nearest first. */
  #guess(term: string): readonly (readonly [string, number])[] {
    const begun = term.length > 2 ? [...this.#frequencies.atPrefix(term).keys()] : [];
    const guesses = begun.map((word) => [word, term.length / word.length] as const);
    return [...guesses, ...this.#forgive(term)]
      .sort(([one, near], [other, far]) => far - near || (one < other ? -1 : 1))
      .slice(0, maxGuesses);
  }

  #forgive(term: string): readonly (readonly [string, number])[] {
    if (term.length < 5 || this.#frequencies.size > maxForgiving) return [];
    const misspelt = this.#frequencies.fuzzyGet(term, Math.min(2, Math.round(term.length * 0.2)));
    return [...misspelt].map(([word, [, distance]]) => [word, 0.9 - distance * 0.2] as const);
  }

  #frequency(term: string): number {
    return this.#frequencies.get(term) ?? 0;
  }
}
