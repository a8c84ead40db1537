import type { Client, ServedManual, ServedTool } from '../client/index.js';
import { clientOptions, readNumber, withClient } from './client-options.js';
import { type Command, type CommandInput, exitCodes, flagOf, type Io, stringOf, takePositionals } from './command.js';
import { paint } from './terminal.js';

/** `gatehouse tools URL`: what a provider offers, by the reference client. */
export const toolsCommand: Command = {
  name: 'tools',
  summary: 'list the tools of a provider, by the reference client',
  usage: 'URL',
  options: {
    q: { type: 'string', short: 'q', value: 'TEXT', help: 'only the tools that fit a task best, best first' },
    tag: { type: 'string', value: 'TAG', help: 'only tools with this tag' },
    limit: { type: 'string', value: 'N', help: 'at most so many' },
    ...clientOptions,
  },
  notes: [
    'URL is the manual (https://tools.example.com/utcp), or a server, whose /utcp is taken.',
    '--json prints the manual as it was served.',
    'Exit codes: 0 listed, 1 refused or changed since it was accepted, 2 wrong usage, no answer or no manual.',
  ],
  async run(input, io) {
    const [url = ''] = takePositionals(input, 'URL');
    return withClient(url, input, io, async (client) => {
      const manual = await findTools(client, input);
      if (flagOf(input, 'json')) io.out(JSON.stringify(manual.document));
      else for (const tool of manual.tools) io.out(describeTool(io, tool));
      return exitCodes.good;
    });
  },
};

function findTools(client: Client, input: CommandInput): Promise<ServedManual> {
  const query = stringOf(input, 'q');
  const tag = stringOf(input, 'tag');
  const limit = readNumber(input, 'limit');
  if (query === undefined && tag === undefined && limit === undefined) return client.discover();
  return client.search(query ?? '', { ...(tag !== undefined && { tag }), ...(limit !== undefined && { limit }) });
}

function describeTool(io: Io, { name, description }: ServedTool): string {
  // The provider's text must not move the cursor or forge a line.
  const [line = ''] = description.replace(/[^\P{C}\n]/gu, ' ').split('\n', 1);
  return `${paint(io, 'bold', name.replace(/\p{C}/gu, ' '))}  ${line}`;
}
