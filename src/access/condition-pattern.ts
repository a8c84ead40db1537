import type { ASTNode } from '@marcbachmann/cel-js';
import { RE2JS } from 're2js';
import { methodOf, walk } from './condition-tree.js';

/** The method that stands for `matches` in an evaluated condition. */
export const linearMatch = 'matches_in_linear_time';

/**
 * CEL's `matches` is RE2's by its specification, so that no text can hang it; the library has V8's engine there, where
 * `(a+)+$` takes minutes over forty letters. This gives the condition's text with `matches_in_linear_time` for each
 * `matches`, or says what is wrong with a pattern.
 */
export function useLinearPatterns(
  source: string,
  tree: ASTNode,
): { readonly source: string } | { readonly problem: string } {
  let text = source;
  const calls = [...walk(tree)].flatMap((node) => methodOf(node) ?? []).filter(({ name }) => name === 'matches');
  // From the end, so that what is changed moves nothing that is still to be changed.
  for (const { receiver, args } of calls.sort((one, other) => other.receiver.end - one.receiver.end)) {
    const [pattern] = args;
    // A pattern that a caller could write costs memory and time before any text meets it.
    if (pattern?.op !== 'value' || typeof pattern.args !== 'string')
      return { problem: 'the pattern of matches has to be written out' };
    const problem = findPatternProblem(pattern.args);
    if (problem !== undefined) return { problem };
    const name = text.indexOf('matches', receiver.end);
    text = `${text.slice(0, name)}${linearMatch}${text.slice(name + 'matches'.length)}`;
  }
  return { source: text };
}

/** Whether a condition still holds a `matches` of the library's own. */
export function hasForeignPattern(tree: ASTNode): boolean {
  return [...walk(tree)].some((node) => methodOf(node)?.name === 'matches');
}

const compiled = new Map<string, RE2JS>();

/** Whether the pattern is found anywhere in the text; all patterns are the operator's own, so they are kept. */
export function matchLinearly(text: string, pattern: string): boolean {
  const known = compiled.get(pattern) ?? RE2JS.compile(pattern);
  compiled.set(pattern, known);
  return known.matcher(text).find();
}

function findPatternProblem(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
