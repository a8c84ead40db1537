import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeCommand } from '../../src/cli/command.js';
import { loadCommands } from '../../src/cli/run.js';
import { configSchema } from '../../src/config/index.js';
import { type KeyEntry, listKeys, renderKeys } from '../support/reference.js';
import { renderTable } from '../support/table.js';

const docs = join(import.meta.dirname, '../../docs');
const keys = listKeys(configSchema, '', configSchema.parse({}));

/** `npm run docs` writes these pages anew from the schema and the commands; here they are compared with what stands. */
describe('the generated reference', () => {
  it('says of every key what it means', () => {
    expect(keys.filter(({ description }) => description === '').map(({ key }) => key)).toEqual([]);
  });

  it('configuration.md says what the schema says', async () => {
    await expect(renderConfiguration(keys)).toMatchFileSnapshot(join(docs, 'configuration.md'));
  });

  it('commands.md says what the commands say', async () => {
    await expect(await renderCommands()).toMatchFileSnapshot(join(docs, 'commands.md'));
  });
});

function renderConfiguration(entries: readonly KeyEntry[]): string {
  const sections = new Map<string, KeyEntry[]>();
  for (const entry of entries) {
    const name = /^\w+/.exec(entry.key)?.[0] ?? '';
    sections.set(name, [...(sections.get(name) ?? []), entry]);
  }
  return `# Configuration

\`gatehouse.yaml\`, every key. An unknown key anywhere fails the load, with its line and what was probably meant. \`[]\` stands for each
element of a list, \`*\` for each name of a map. \`PORT\` and \`HOST\` in the environment win over the file. Relative paths resolve against
the configuration file. \`server\`, \`security_log\`, \`state\`, \`mcp\`, \`tracing\` and \`example\` are read at the start; everything else reloads when a file
changes or on SIGHUP.

This page is written from the configuration's schema by \`npm run docs\`.
${[...sections].map(([name, rows]) => `\n## ${name}\n\n${renderKeys(rows)}\n`).join('')}`;
}

async function renderCommands(): Promise<string> {
  const commands = await loadCommands();
  const list = commands.map(({ name, summary }) => [`[\`${name}\`](#${name})`, summary]);
  const sections = commands.map(
    (command) => `\n## ${command.name}\n\n\`\`\`text\n${describeCommand(command)}\n\`\`\`\n`,
  );
  return `# Commands

\`gatehouse COMMAND [options]\`; in a checkout \`npm run -s gatehouse -- COMMAND [options]\`. Exit codes: 0 good, 1 findings, 2 wrong
usage or unreadable input. Colours and progress appear on a terminal alone, and no colours with \`NO_COLOR\` set.

This page is written from the commands' own help by \`npm run docs\`.

${renderTable([['command', 'what it does'], ...list])}
${sections.join('')}`;
}
