import { isJsonObject, type Json } from '../../core/index.js';
import type { References } from './reference.js';
import type { Direction } from './translation.js';

/** A component shorter than this, as JSON, is cheaper written twice than named. */
const smallest = 200;

/** Why a component stands in `$defs`: it leads back into itself, or it is of some size and used more than once. */
export type Sharing = 'cyclic' | 'repeated';

/**
 * The references of a schema that stand in `$defs`. In what a tool takes, that is what has to; in what it answers, every
 * component of some size below the root: the official TypeScript client reads past `$defs`, so that a manual of a thousand
 * tools registers in a fraction of the time.
 */
export function findShared(schema: Json, direction: Direction, references: References): ReadonlyMap<string, Sharing> {
  const search = new Search(references, direction === 'output');
  if (isJsonObject(schema) && typeof schema.$ref === 'string') search.enter(schema.$ref);
  else search.visit(schema);
  return search.shared;
}

class Search {
  readonly shared = new Map<string, Sharing>();
  readonly #seen = new Set<string>();
  readonly #open = new Set<string>();

  constructor(
    readonly references: References,
    readonly sharesAll: boolean,
  ) {}

  /** Looks through the component that is the root, which is written in place. */
  enter(reference: string): void {
    this.#seen.add(reference);
    this.#open.add(reference);
    this.visit(this.references.target(reference) ?? {});
    this.#open.delete(reference);
  }

  visit(value: Json): void {
    if (typeof value !== 'object' || value === null) return;
    if (!isJsonObject(value)) {
      for (const item of value) this.visit(item);
      return;
    }
    if (typeof value.$ref === 'string') this.#follow(value.$ref);
    else for (const member of Object.values(value)) this.visit(member);
  }

  #follow(reference: string): void {
    if (this.#open.has(reference)) {
      this.shared.set(reference, 'cyclic');
      return;
    }
    const isAgain = this.#seen.has(reference);
    const isLarge = this.references.sizeOf(reference) >= smallest;
    if ((isAgain || this.sharesAll) && isLarge && !this.shared.has(reference)) this.shared.set(reference, 'repeated');
    if (!isAgain) this.enter(reference);
  }
}
