import { answerChecklist, type ChecklistItem, describeChecklist, type Evidence } from '../config/index.js';
import type { Finding } from '../core/index.js';
import { buildServer } from '../server/server.js';
import { type Command, commonOptions, configFileOf, exitCodes, flagOf, type Io, takePositionals } from './command.js';
import { loadForCommand } from './configuration.js';
import { paint, printable, renderFindings, toFindingRows } from './terminal.js';

/** `gatehouse check`: the configuration, its manuals and the guide's checklists, against what would run. */
export const checkCommand: Command = {
  name: 'check',
  summary: 'check the configuration, its manuals and the provider checklist',
  usage: '',
  options: { strict: { type: 'boolean', help: 'warnings fail as errors do' }, ...commonOptions },
  notes: [
    'Answers every line of the security guide: pass, fail or not applicable, and what the answer rests on.',
    'Exit 1 when the checklist or the configuration fails, 2 when a file cannot be read.',
  ],
  judges: true,
  async run(input, io) {
    takePositionals(input);
    const loaded = await loadForCommand(configFileOf(input, io), io);
    const items = answerChecklist(loaded);
    const findings = [...(await wireOnce(loaded)), ...describeChecklist(items, loaded)];
    if (flagOf(input, 'json')) io.out(JSON.stringify({ findings: toFindingRows(findings), checklist: items }));
    else printReport(io, items, findings);
    const heavy = flagOf(input, 'strict') ? ['error', 'warning'] : ['error'];
    return findings.some(({ severity }) => heavy.includes(severity)) ? exitCodes.findings : exitCodes.good;
  },
};

/** Binds every template, as a start would, and says what was noticed. */
async function wireOnce(loaded: Parameters<typeof buildServer>[0]): Promise<readonly Finding[]> {
  const silent = { accepting: true, emit: () => undefined, state: () => ({ status: 'ok', lost: 0 }) as const };
  const idle = async () => undefined;
  const server = await buildServer(loaded, { sink: { ...silent, flush: idle, close: idle } });
  try {
    return server.notices;
  } finally {
    await server.close();
  }
}

const marks = {
  pass: { colour: 'green', text: 'pass' },
  fail: { colour: 'red', text: 'FAIL' },
  not_applicable: { colour: 'dim', text: ' n/a' },
} as const;

const listTitles = {
  provider: 'Tool provider security',
  consumer: 'Tool consumer security',
  protocol: 'Protocol-specific security',
} as const;

function printReport(io: Io, items: readonly ChecklistItem[], findings: readonly Finding[]): void {
  if (findings.length > 0) io.out(`${renderFindings(io, findings)}\n`);
  for (const list of ['provider', 'consumer', 'protocol'] as const) {
    io.out(paint(io, 'bold', listTitles[list]));
    for (const item of items.filter((candidate) => candidate.list === list)) {
      const { colour, text } = marks[item.status];
      io.out(
        `  ${paint(io, colour, text)}  ${item.title}\n        ${item.evidence.map(describeEvidence).join('\n        ')}`,
      );
    }
  }
  const failed = items.filter(({ status }) => status === 'fail').length;
  io.out(failed === 0 ? 'No item fails.' : `${failed} of ${items.length} items fail.`);
}

function describeEvidence({ text, file, line }: Evidence): string {
  const place = [file, line].filter((part) => part !== undefined).join(':');
  return `${printable(text)}${place === '' ? '' : ` (${place})`}`;
}
