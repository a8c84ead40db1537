/** What a pattern is matched against. */
export interface PatternTarget {
  readonly id: string;
  readonly tags: readonly string[];
}

/**
 * Compiles a tool pattern: `manual.tool` with `*` for any run of characters, or `tag:NAME` (again with `*`) for a tool
 * that carries such a tag. Case counts.
 */
function compilePattern(pattern: string): (target: PatternTarget) => boolean {
  if (pattern === '*') return () => true;
  if (pattern.startsWith('tag:')) {
    const matches = compileGlob(pattern.slice(4));
    return (target) => target.tags.some(matches);
  }
  const matches = compileGlob(pattern);
  return (target) => matches(target.id);
}

/** Any of the patterns; none matches nothing. */
export function compilePatterns(patterns: readonly string[]): (target: PatternTarget) => boolean {
  const compiled = patterns.map(compilePattern);
  return (target) => compiled.some((matches) => matches(target));
}

function compileGlob(glob: string): (text: string) => boolean {
  const parts = glob.split('*');
  if (parts.length === 1) return (text) => text === glob;
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  const middle = parts.slice(1, -1).filter((part) => part !== '');
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
    // Leftmost search for each middle part is enough for globs, and linear where a regular expression need not be.
    let position = first.length;
    for (const part of middle) {
      const found = text.indexOf(part, position);
      if (found < 0) return false;
      position = found + part.length;
    }
    return position <= text.length - last.length;
  };
}
