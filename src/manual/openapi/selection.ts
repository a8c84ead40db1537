import type { Operation } from './operation.js';
import { listOf } from './value.js';

/** Which operations become tools, by tag, path pattern and method; a kind that is absent does not narrow. */
export interface Selection {
  readonly tags?: readonly string[] | undefined;
  /** `*` stands for one path segment or a part of it, `**` for any number of segments. */
  readonly paths?: readonly string[] | undefined;
  readonly methods?: readonly string[] | undefined;
}

/** An operation is taken when it fits every kind that `include` names and none that `exclude` names. */
export function createSelector(include: Selection = {}, exclude: Selection = {}): (operation: Operation) => boolean {
  const wanted = compile(include);
  const unwanted = compile(exclude);
  return (operation) => wanted.every((fits) => fits(operation)) && !unwanted.some((fits) => fits(operation));
}

function compile({ tags, paths, methods }: Selection): readonly ((operation: Operation) => boolean)[] {
  const kinds: ((operation: Operation) => boolean)[] = [];
  if (tags) kinds.push(({ value }) => listOf(value.tags).some((tag) => typeof tag === 'string' && tags.includes(tag)));
  if (paths) {
    const patterns = paths.map(compilePath);
    kinds.push(({ path }) => patterns.some((pattern) => pattern.test(path)));
  }
  if (methods) {
    const names = new Set(methods.map((method) => method.toLowerCase()));
    kinds.push(({ method }) => names.has(method));
  }
  return kinds;
}

function compilePath(pattern: string): RegExp {
  const source = pattern
    .split(/(\*\*|\*)/)
    .map((part) => (part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')))
    .join('');
  return new RegExp(`^${source}$`);
}
