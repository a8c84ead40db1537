import { LoadError } from '../core/index.js';
import { type Command, describeCommand, exitCodes, type Io, parseCommand, UsageError } from './command.js';
import { renderFindings, renderFindingsJson } from './terminal.js';
import { readVersion } from './version.js';

/** Every command by name, in the order of the help. Each is read when it is asked for: all of them take half a second. */
const loaders: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./serve.js')).serveCommand,
  init: async () => (await import('./init.js')).initCommand,
  import: async () => (await import('./import.js')).importCommand,
  lint: async () => (await import('./lint.js')).lintCommand,
  diff: async () => (await import('./diff.js')).diffCommand,
  check: async () => (await import('./check.js')).checkCommand,
  manual: async () => (await import('./manual.js')).manualCommand,
  explain: async () => (await import('./explain.js')).explainCommand,
  approve: async () => (await import('./approve.js')).approveCommand,
  keys: async () => (await import('./keys.js')).keysCommand,
  callers: async () => (await import('./callers.js')).callersCommand,
  token: async () => (await import('./token.js')).tokenCommand,
  sign: async () => (await import('./sign.js')).signCommand,
  audit: async () => (await import('./audit.js')).auditCommand,
  tools: async () => (await import('./tools.js')).toolsCommand,
  call: async () => (await import('./call.js')).callCommand,
};

/** Every command, in the order of the help. */
export function loadCommands(): Promise<Command[]> {
  return Promise.all(Object.values(loaders).map((load) => load()));
}

/** Runs one command line and gives its exit code: 0 good, 1 findings, 2 wrong usage or unreadable input. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    io.out(await describeCommands());
    return name === undefined ? exitCodes.usage : exitCodes.good;
  }
  if (name === '--version' || name === '-v') {
    io.out(readVersion());
    return exitCodes.good;
  }
  const load = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
  if (!load) {
    io.err(`gatehouse: there is no command ${name}\n\n${await describeCommands()}`);
    return exitCodes.usage;
  }
  return runCommand(await load(), rest, io);
}

async function runCommand(command: Command, args: readonly string[], io: Io): Promise<number> {
  try {
    const input = parseCommand(command, args);
    if (input.values.help === true) {
      io.out(describeCommand(command));
      return exitCodes.good;
    }
    return await command.run(input, io);
  } catch (error) {
    if (error instanceof UsageError) {
      io.err(`gatehouse ${command.name}: ${error.message}\n\n${describeCommand(command)}`);
      return exitCodes.usage;
    }
    if (error instanceof LoadError) {
      if (args.includes('--json')) io.out(renderFindingsJson(error.findings));
      else io.err(renderFindings(io, error.findings));
      const readable = error.findings.every(({ rule }) => !rule.endsWith('-unreadable'));
      return command.judges && readable ? exitCodes.findings : exitCodes.usage;
    }
    throw error;
  }
}

async function describeCommands(): Promise<string> {
  const commands = await loadCommands();
  const width = Math.max(...commands.map(({ name }) => name.length));
  return [
    'Usage: gatehouse COMMAND [options]',
    '',
    'A secure UTCP manual server: each caller sees and calls only what is theirs.',
    '',
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'gatehouse COMMAND --help says more. Exit codes: 0 good, 1 findings, 2 wrong usage or unreadable input.',
  ].join('\n');
}
