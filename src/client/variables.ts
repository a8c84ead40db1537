import { LoadError } from '../core/index.js';
import type { VariableSource } from '../variables/index.js';

/** Longest value in characters. */
const maxLength = 10_000;

/**
 * The variables that the client was given: by the namespaced name that official clients use (`my__books_TOKEN`), then
 * by the plain one. Nothing else is looked at, so a manual can name no variable of this process.
 */
export class GivenVariables implements VariableSource {
  readonly #values: ReadonlyMap<string, string>;
  readonly #namespace: string;

  constructor(values: Readonly<Record<string, string>>, namespace: string) {
    this.#values = new Map(Object.entries(values));
    this.#namespace = namespace;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  allows(name: string): boolean {
    return this.has(name);
  }

  load(name: string): string {
    const value = this.#find(name);
    const full = this.#namespace === '' ? name : `${this.#namespace}_${name}`;
    if (value === undefined) throw unusable(full, 'is not set', `Give variables.${full} to the client.`);
    if (value.length > maxLength) throw unusable(full, `is longer than ${maxLength} characters`, 'Shorten it.');
    return value;
  }

  #find(name: string): string | undefined {
    return this.#values.get(`${this.#namespace}_${name}`) ?? this.#values.get(name);
  }
}

function unusable(name: string, problem: string, mend: string): LoadError {
  return LoadError.of({ rule: 'variable-unusable', pointer: '', message: `Variable ${name} ${problem}.`, mend });
}
