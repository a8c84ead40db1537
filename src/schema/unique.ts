import type { FuncKeywordDefinition } from 'ajv';
import { isJsonObject } from '../core/index.js';

/**
 * `uniqueItems` in linear time. Ajv compares each pair: an array of 100,000 items, which fits a small body, would hold
 * the process for minutes.
 */
export const uniqueItems: FuncKeywordDefinition = {
  keyword: 'uniqueItems',
  type: 'array',
  schemaType: 'boolean',
  errors: false,
  validate: (required: boolean, items: readonly unknown[]) => !required || allDiffer(items),
};

function allDiffer(items: readonly unknown[]): boolean {
  const seen = new Set<string>();
  for (const item of items) {
    const text = JSON.stringify(sortMembers(item));
    if (seen.has(text)) return false;
    seen.add(text);
  }
  return true;
}

// Objects become arrays of pairs under a mark of their own, so that {"a":1} is not taken for an array.
function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return ['[', ...value.map(sortMembers)];
  if (!isJsonObject(value)) return value;
  const members = Object.keys(value)
    .sort()
    .map((name) => [name, sortMembers(value[name])]);
  return ['{', members];
}
