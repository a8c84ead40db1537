import { LoadError } from '../core/index.js';
import { approveCommand } from './approve.js';
import { auditCommand } from './audit.js';
import { callCommand } from './call.js';
import { callersCommand } from './callers.js';
import { checkCommand } from './check.js';
import { type Command, describeCommand, exitCodes, type Io, parseCommand, UsageError } from './command.js';
import { diffCommand } from './diff.js';
import { explainCommand } from './explain.js';
import { importCommand } from './import.js';
import { initCommand } from './init.js';
import { keysCommand } from './keys.js';
import { lintCommand } from './lint.js';
import { manualCommand } from './manual.js';
import { serveCommand } from './serve.js';
import { signCommand } from './sign.js';
import { renderFindings, renderFindingsJson } from './terminal.js';
import { tokenCommand } from './token.js';
import { toolsCommand } from './tools.js';
import { readVersion } from './version.js';

/** Every command, in the order of the help. */
export const commands: readonly Command[] = [
  serveCommand,
  initCommand,
  importCommand,
  lintCommand,
  diffCommand,
  checkCommand,
  manualCommand,
  explainCommand,
  approveCommand,
  keysCommand,
  callersCommand,
  tokenCommand,
  signCommand,
  auditCommand,
  toolsCommand,
  callCommand,
];

/** Runs one command line and gives its exit code: 0 good, 1 findings, 2 wrong usage or unreadable input. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    io.out(describeCommands());
    return name === undefined ? exitCodes.usage : exitCodes.good;
  }
  if (name === '--version' || name === '-v') {
    io.out(readVersion());
    return exitCodes.good;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (!command) {
    io.err(`gatehouse: there is no command ${name}\n\n${describeCommands()}`);
    return exitCodes.usage;
  }
  return runCommand(command, rest, io);
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

function describeCommands(): string {
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
