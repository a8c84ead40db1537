/** Which of the first 128 characters an expression can match, one bit each, and one more for all others. */
type Characters = bigint;

interface Part {
  /** Alternatives of a group, or none for a single character. */
  readonly branches: readonly (readonly Part[])[];
  readonly characters: Characters;
  readonly optional: boolean;
  readonly endless: boolean;
}

const all: Characters = (1n << 129n) - 1n;
const digits = range('0', '9');
const word = digits | range('a', 'z') | range('A', 'Z') | bit('_');
const space = ['\t', '\n', '\v', '\f', '\r', ' '].reduce((set, character) => set | bit(character), 0n);
const classes: Readonly<Record<string, Characters>> = {
  ...{ d: digits, w: word, s: space, D: all ^ digits, W: all ^ word, S: all ^ space },
  ...{ n: bit('\n'), r: bit('\r'), t: bit('\t'), f: bit('\f'), v: bit('\v'), 0: bit('\0') },
};

/**
 * Says why a pattern may take exponential or quadratic time in an engine that backtracks; undefined when none of the known
 * shapes is in it: a repetition inside a repetition, alternatives that match the same inside one, and two that follow
 * each other over the same characters. A heuristic: it may miss, and it may warn of what an engine happens to optimise.
 */
export function describeBacktracking(pattern: string): string | undefined {
  const branches = new Parser(pattern).parse();
  return branches && firstProblem(branches);
}

function firstProblem(branches: readonly (readonly Part[])[]): string | undefined {
  for (const branch of branches) {
    for (const part of branch) {
      const problem = (part.endless ? insideRepetition(part) : undefined) ?? firstProblem(part.branches);
      if (problem !== undefined) return problem;
    }
    if (repeatsSideBySide(branch)) return 'repeats the same characters twice in a row';
  }
  return undefined;
}

function insideRepetition({ branches }: Part): string | undefined {
  for (const branch of branches) {
    const needed = branch.filter((part) => !part.optional || part.endless);
    const [only] = needed;
    const isAlone = needed.length === 1 || branch.every((part) => part.optional);
    if (isAlone && only && holdsEndless(only)) return 'repeats a repetition';
  }
  const overlaps = branches.some((branch, index) =>
    branches.slice(index + 1).some((other) => isSingle(branch) && isSingle(other) && firstOf(branch) & firstOf(other)),
  );
  return overlaps ? 'repeats alternatives that match the same' : undefined;
}

function holdsEndless(part: Part): boolean {
  return part.endless || (part.branches.length > 0 && part.branches.some((branch) => branch.some(holdsEndless)));
}

function repeatsSideBySide(branch: readonly Part[]): boolean {
  return branch.some((part, index) => {
    if (!part.endless) return false;
    for (const next of branch.slice(index + 1)) {
      if (!(next.characters & part.characters)) {
        if (!next.optional) return false;
        continue;
      }
      if (next.endless) return true;
    }
    return false;
  });
}

function isSingle(branch: readonly Part[]): boolean {
  return branch.filter((part) => !part.optional).length <= 1;
}

function firstOf(branch: readonly Part[]): Characters {
  let characters = 0n;
  for (const part of branch) {
    characters |= part.characters;
    if (!part.optional) break;
  }
  return characters;
}

/** Reads ECMA-262 patterns as far as the shapes need it; what it does not understand it takes for any character. */
class Parser {
  #at = 0;

  constructor(readonly pattern: string) {}

  parse(): readonly (readonly Part[])[] | undefined {
    const branches = this.#alternatives();
    return this.#at >= this.pattern.length ? branches : undefined;
  }

  #alternatives(): readonly (readonly Part[])[] {
    const branches: Part[][] = [[]];
    while (this.#at < this.pattern.length && this.pattern[this.#at] !== ')') {
      if (this.pattern[this.#at] === '|') {
        this.#at++;
        branches.push([]);
        continue;
      }
      const part = this.#part();
      if (part) branches.at(-1)?.push(part);
    }
    return branches;
  }

  #part(): Part | undefined {
    const character = this.pattern[this.#at++] ?? '';
    if (character === '^' || character === '$') return undefined;
    if (character === '(') return this.#group();
    if (character === '\\') return this.#escape();
    const characters = character === '[' ? this.#class() : character === '.' ? all ^ bit('\n') : bit(character);
    return this.#quantified([], characters);
  }

  #group(): Part | undefined {
    const opening = /^\?(?:[:=!]|<[=!]|<\w+>)/.exec(this.pattern.slice(this.#at))?.[0] ?? '';
    this.#at += opening.length;
    const branches = this.#alternatives();
    this.#at++;
    const part = this.#quantified(
      branches,
      branches.reduce((set, branch) => set | firstOf(branch), 0n),
    );
    const looks = opening !== '' && opening !== '?:' && !/^\?<\w/.test(opening);
    if (looks) return undefined;
    return { ...part, optional: part.optional || branches.some((branch) => branch.every((inner) => inner.optional)) };
  }

  #escape(): Part | undefined {
    const character = this.pattern[this.#at++] ?? '';
    if (character === 'b' || character === 'B') return undefined;
    const property = /^[pP]\{[^}]*\}|^u\{[^}]*\}|^u[0-9a-fA-F]{4}|^x[0-9a-fA-F]{2}/.exec(
      character + this.pattern.slice(this.#at),
    );
    if (property) this.#at += property[0].length - 1;
    return this.#quantified([], property ? all : (classes[character] ?? bit(character)));
  }

  #class(): Characters {
    const negated = this.pattern[this.#at] === '^';
    if (negated) this.#at++;
    let set = 0n;
    while (this.#at < this.pattern.length && this.pattern[this.#at] !== ']') {
      const [from, known] = this.#member();
      const isRange = this.pattern[this.#at] === '-' && !['', ']'].includes(this.pattern[this.#at + 1] ?? '');
      if (!isRange || known) {
        set |= known ?? bit(from);
        continue;
      }
      this.#at++;
      const [to, knownEnd] = this.#member();
      set |= knownEnd ?? range(from, to);
    }
    this.#at++;
    return negated ? all ^ set : set;
  }

  #member(): readonly [character: string, known: Characters | undefined] {
    const character = this.pattern[this.#at++] ?? '';
    if (character !== '\\') return [character, undefined];
    const escaped = this.pattern[this.#at++] ?? '';
    const long = /^[pP]\{[^}]*\}|^u\{[^}]*\}|^u[0-9a-fA-F]{4}|^x[0-9a-fA-F]{2}/.exec(
      escaped + this.pattern.slice(this.#at),
    );
    if (long) this.#at += long[0].length - 1;
    return [escaped, long ? all : classes[escaped]];
  }

  #quantified(branches: readonly (readonly Part[])[], characters: Characters): Part {
    const quantifier = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/.exec(this.pattern.slice(this.#at));
    if (!quantifier) return { branches, characters, optional: false, endless: false };
    this.#at += quantifier[0].length;
    const [text, least = '', comma = '', most = ''] = quantifier;
    const optional = text.startsWith('*') || text.startsWith('?') || least === '0';
    // A long bounded repetition backtracks like an endless one.
    const endless =
      text.startsWith('*') || text.startsWith('+') || (comma !== '' && (most === '' || Number(most) > 50));
    return { branches, characters, optional, endless };
  }
}

function bit(character: string): Characters {
  const code = character.codePointAt(0) ?? 0;
  return 1n << BigInt(Math.min(code, 128));
}

function range(from: string, to: string): Characters {
  let set = 0n;
  const last = Math.min(to.codePointAt(0) ?? 0, 128);
  for (let code = Math.min(from.codePointAt(0) ?? 0, 128); code <= last; code++) set |= 1n << BigInt(code);
  return set;
}
