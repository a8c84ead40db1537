import type { z } from 'zod';
import { type Finding, toPointer } from '../core/index.js';

/** Turns what zod says of a configuration into findings that name the pointer, the problem and what would be right. */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  known: (path: readonly PropertyKey[]) => readonly string[],
): Finding[] {
  return issues.flatMap((issue) => describeIssue(issue, known));
}

function describeIssue(issue: z.core.$ZodIssue, known: (path: readonly PropertyKey[]) => readonly string[]): Finding[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      rule: 'config-unknown-key',
      severity: 'error',
      pointer: toPointer(...path, key),
      message: `Unknown key ${key}.`,
      mend: suggest(key, known(issue.path)),
    }));
  }
  return [
    {
      rule: 'config-invalid',
      severity: 'error',
      pointer: toPointer(...path),
      message: `${issue.message}.`,
      mend: mendOf(issue),
    },
  ];
}

function mendOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `Use one of ${issue.values.map(String).join(', ')}.`;
  if (issue.code === 'invalid_type') return `Give it a value of type ${issue.expected}.`;
  return 'See docs/configuration.md.';
}

function suggest(key: string, candidates: readonly string[]): string {
  const near = candidates
    .map((candidate) => ({ candidate, distance: editDistance(key, candidate) }))
    .sort((one, other) => one.distance - other.distance)[0];
  if (near && near.distance <= Math.max(2, key.length / 3)) return `Did you mean ${near.candidate}?`;
  return candidates.length > 0 ? `Known here: ${candidates.join(', ')}.` : 'Take it out.';
}

/** Levenshtein's distance. */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[other.length] ?? 0;
}
