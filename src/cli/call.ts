import type { Client } from '../client/index.js';
import { type Arguments, holdsInexactNumber } from '../core/index.js';
import { clientOptions, withClient } from './client-options.js';
import {
  type Command,
  type CommandInput,
  exitCodes,
  flagOf,
  type Io,
  stringOf,
  takePositionals,
  UsageError,
} from './command.js';
import { readJsonObject } from './json-object.js';

/** `gatehouse call URL TOOL --args JSON`: one call, by the reference client. */
export const callCommand: Command = {
  name: 'call',
  summary: 'call a tool of a provider, by the reference client',
  usage: 'URL TOOL',
  options: {
    args: { type: 'string', value: 'JSON', help: 'the arguments, a JSON object (default {})' },
    stream: { type: 'boolean', help: 'print results as they come, one a line' },
    ...clientOptions,
  },
  notes: [
    'TOOL may be written with its manual in front: books.get_book.',
    'Example: gatehouse call http://127.0.0.1:8080 books.get_book --args \'{"id":"1"}\'',
    'Exit codes: 0 called, 1 refused or failed, 2 wrong usage, no answer or no manual.',
  ],
  async run(input, io) {
    const [url = '', tool = ''] = takePositionals(input, 'URL', 'TOOL');
    const args = readArguments(stringOf(input, 'args') ?? '{}');
    return withClient(url, input, io, async (client) => {
      if (flagOf(input, 'stream')) await printStream(client, tool, args, io);
      else io.out(printResult(await client.call(tool, args), input));
      return exitCodes.good;
    });
  },
};

async function printStream(client: Client, tool: string, args: Arguments, io: Io): Promise<void> {
  for await (const { data } of client.stream(tool, args)) {
    io.out(JSON.stringify(Buffer.isBuffer(data) ? { base64: data.toString('base64') } : data));
  }
}

function printResult(result: unknown, input: CommandInput): string {
  return flagOf(input, 'json') ? JSON.stringify(result) : JSON.stringify(result, null, 2);
}

function readArguments(text: string): Arguments {
  const value = readJsonObject(text, '--args');
  if (holdsInexactNumber(text)) throw new UsageError('--args holds a number that cannot be carried exactly: quote it');
  return value;
}
