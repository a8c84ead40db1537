/** The deepest nesting of arguments that is looked at; recursive schemas and serializers stay far from the stack's end. */
export const maxDepth = 100;

/** How many values a JSON value holds, itself included; Infinity when it is nested deeper than `maxDepth`. */
export function countValues(value: unknown, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 1;
  if (depth === maxDepth) return Number.POSITIVE_INFINITY;
  let count = 1;
  for (const member of Object.values(value)) {
    count += typeof member === 'object' ? countValues(member, depth + 1) : 1;
  }
  return count;
}
