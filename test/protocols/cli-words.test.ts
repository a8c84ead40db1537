import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { splitCommand } from '../../src/protocols/cli-words.js';

const place = { file: 'manual.yaml', pointer: '/tools/0/tool_call_template/commands/0/command' };
const split = (text: string) => splitCommand(text, place);

describe("splitting UTCP 1.1's command texts", () => {
  it.each<[string, readonly string[]]>([
    ['/bin/a b  c\td', ['/bin/a', 'b', 'c', 'd']],
    [`/bin/a 'b c' "d e" f\\ g`, ['/bin/a', 'b c', 'd e', 'f g']],
    [`/bin/a '' "" x''y`, ['/bin/a', '', '', 'xy']],
    [`/bin/a "b \\"c\\" \\\\ \\n"`, ['/bin/a', 'b "c" \\ \\n']],
    [`/bin/a '$HOME' \\$HOME "\\$HOME"`, ['/bin/a', '$$HOME', '$$HOME', '$$HOME']],
    [`/bin/a '; | & > * ~ #'`, ['/bin/a', '; | & > * ~ #']],
    ['/bin/a --x=UTCP_ARG_name_UTCP_END "p UTCP_ARG_b_c_UTCP_END q"', ['/bin/a', '--x={name}', 'p {b_c} q']],
    ['/bin/a ${API_WORD} "${API_WORD}"', ['/bin/a', '${API_WORD}', '${API_WORD}']],
    ['', []],
  ])('reads %s', (text, words) => {
    expect(split(text)).toEqual(words);
  });

  it.each([
    '/bin/a | /bin/b',
    '/bin/a && /bin/b',
    '/bin/a & ',
    '/bin/a; /bin/b',
    '/bin/a > /tmp/x',
    '/bin/a < /tmp/x',
    '/bin/a $(id)',
    '/bin/a "$(id)"',
    '/bin/a `id`',
    '/bin/a "`id`"',
    '/bin/a $HOME',
    '/bin/a "$HOME"',
    '/bin/a $CMD_0_OUTPUT',
    '/bin/a ${HOME:-x}',
    '/bin/a *',
    '/bin/a ?.txt',
    '/bin/a [a]',
    '/bin/a {b,c}',
    '/bin/a ~/x',
    '/bin/a # b',
    '! /bin/a',
    '(/bin/a)',
    '/bin/a\n/bin/b',
    '/bin/a \\',
    "/bin/a 'b",
    '/bin/a "b',
  ])('refuses %j with what would mend it', (text) => {
    expect(() => split(text)).toThrow(LoadError);
    expect(() => split(text)).toThrow(/Quote it|Close it/);
  });

  it('makes the words that a POSIX shell makes, of every text that it takes', () => {
    const piece = fc.constantFrom('a', 'b', ' ', "'", '"', '\\', '=', '-', '/', '\t', ';', '*');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `x ${pieces.join('')}`;
        const words = attempt(() => split(text));
        if (words === undefined) return;
        const shell = execFileSync('/bin/sh', ['-c', `set -- ${text}\nprintf '%s\\0' "$@"`], { encoding: 'utf8' });
        expect(words.map((word) => `${word}\0`).join('')).toBe(shell);
      }),
      { numRuns: 150 },
    );
  });
});

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
