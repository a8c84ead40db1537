import type { Change } from '../manual/index.js';
import type { Io } from './command.js';
import { paint, printable } from './terminal.js';

const colours = { major: 'red', minor: 'yellow', patch: 'dim', none: 'dim' } as const;

/** Changes for a person, by tool: the step that each owes, what changed and where, and the words before and after. */
export function printChanges(changes: readonly Change[], io: Io): readonly string[] {
  const tools = new Map<string, Change[]>();
  for (const change of changes) tools.set(change.tool ?? '', [...(tools.get(change.tool ?? '') ?? []), change]);
  return [...tools].flatMap(([tool, own]) => [
    paint(io, 'bold', printable(tool) || 'the manual'),
    ...own.flatMap((change) => printChange(change, io)),
  ]);
}

function printChange({ step, kind, pointer, message, words }: Change, io: Io): readonly string[] {
  const where = pointer === '' ? '' : ` ${paint(io, 'dim', printable(pointer))}`;
  return [
    `  ${paint(io, colours[step], step.padEnd(5))}  ${kind}: ${printable(message)}${where}`,
    ...(words ? [`         - ${quote(words.before)}`, `         + ${quote(words.after)}`] : []),
  ];
}

// As JSON, so that line ends and invisible characters can be seen.
function quote(text: string): string {
  return printable(JSON.stringify(text));
}
