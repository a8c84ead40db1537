import { readConfig } from '../config/index.js';
import { LoadError } from '../core/index.js';
import { type BlockList, openState, type State } from '../limits/index.js';
import { SecureVariableLoader } from '../variables/index.js';
import {
  type Command,
  type CommandInput,
  commonOptions,
  configFileOf,
  exitCodes,
  flagOf,
  type Io,
  stringOf,
  UsageError,
} from './command.js';
import { parseDuration } from './duration.js';

/** `gatehouse callers block|unblock|list`: who is refused for a time, on every server that shares the state. */
export const callersCommand: Command = {
  name: 'callers',
  summary: 'block callers, lift blocks and list them',
  usage: 'block CALLER | unblock CALLER | list',
  options: {
    for: { type: 'string', value: 'TIME', help: 'block: how long, for example 15m or 24h (default: until lifted)' },
    ...commonOptions,
  },
  notes: [
    'Blocks are held on Redis where state.redis_url_variable names one, else in the folder state.blocks_dir.',
    'Running servers follow within a second. Exit 1 when the caller to unblock is not blocked.',
  ],
  async run(input, io) {
    const [action, caller, ...more] = input.positionals;
    if (more.length > 0) throw new UsageError(`unexpected argument ${more[0]}`);
    if (action === 'block') return block(input, io, named(caller));
    if (action === 'unblock') return unblock(input, io, named(caller));
    if (action === 'list' && caller === undefined) return list(input, io);
    throw new UsageError('say: callers block CALLER, callers unblock CALLER or callers list');
  },
};

function named(caller: string | undefined): string {
  if (!caller) throw new UsageError('CALLER is missing');
  return caller;
}

function block(input: CommandInput, io: Io, caller: string): Promise<number> {
  const time = stringOf(input, 'for');
  const until_ms = time === undefined ? Number.POSITIVE_INFINITY : Date.now() + parseDuration(time, '--for');
  const until = toInstant(until_ms);
  return withBlocks(input, io, async (blocks, isConfigured) => {
    await blocks.block(caller, until_ms, 'operator');
    return () => {
      if (flagOf(input, 'json')) io.out(JSON.stringify({ blocked: caller, until }));
      else io.out(`Blocked ${caller} ${sayUntil(until)}. Running servers refuse it within a second.`);
      // A token's subject may be blocked as well, so this is no error; a misspelt name should still be seen.
      if (!isConfigured(caller)) io.err(`No caller ${caller} is configured: this blocks the subject of a token.`);
      return exitCodes.good;
    };
  });
}

function unblock(input: CommandInput, io: Io, caller: string): Promise<number> {
  return withBlocks(input, io, async (blocks) => {
    const wasBlocked = blocks.isBlocked(caller, Date.now());
    if (wasBlocked) await blocks.unblock(caller);
    return () => {
      if (flagOf(input, 'json')) io.out(JSON.stringify({ unblocked: wasBlocked ? [caller] : [] }));
      else if (wasBlocked) io.out(`Unblocked ${caller}. Running servers let it in within a second.`);
      else io.err(`${caller} is not blocked. gatehouse callers list shows who is.`);
      return wasBlocked ? exitCodes.good : exitCodes.findings;
    };
  });
}

function list(input: CommandInput, io: Io): Promise<number> {
  return withBlocks(input, io, async (blocks) => {
    const rows = [...blocks.list()].map(([caller, { until_ms, reason }]) => ({
      caller,
      reason,
      until: toInstant(until_ms),
    }));
    return () => {
      if (flagOf(input, 'json')) io.out(JSON.stringify({ blocked: rows }));
      else if (rows.length === 0) io.out('Nobody is blocked.');
      else for (const { caller, reason, until } of rows) io.out(`${caller}  ${reason}  ${sayUntil(until)}`);
      return exitCodes.good;
    };
  });
}

/** Does its work, and gives what says so: said only when the work has reached what the servers share. */
type Work = (blocks: BlockList, isConfigured: (caller: string) => boolean) => Promise<() => number>;

async function withBlocks(input: CommandInput, io: Io, work: Work): Promise<number> {
  const { config, file } = await readConfig(configFileOf(input, io));
  const { redis_url_variable: variable, blocks_dir } = config.state;
  const variables = new SecureVariableLoader(config.variables, io.environment);
  const problems: string[] = [];
  const state = await openState({
    config: config.state,
    redis_url: variable === undefined ? undefined : variables.load(variable),
    ...(blocks_dir !== undefined && { blocks_dir }),
    report: (problem) => problems.push(problem),
  });
  const ids = new Set(config.callers.map(({ id }) => id));
  try {
    refuseUnshared(state, problems, file);
    const say = await work(state.blocks, (caller) => ids.has(caller));
    refuseUnshared(state, problems, file);
    return say();
  } finally {
    await state.close();
  }
}

function refuseUnshared(state: State, problems: readonly string[], file: string): void {
  if (state.status !== 'degraded' && problems.length === 0) return;
  throw LoadError.of({
    rule: 'state-unreachable',
    file,
    pointer: '/state',
    message: problems[0] ?? 'Redis cannot be reached: the change has not reached it.',
    mend: 'Start Redis or correct its URL; without Redis, make state.blocks_dir writable for this user and for the server.',
  });
}

function toInstant(until_ms: number): string | null {
  return Number.isFinite(until_ms) ? new Date(until_ms).toISOString() : null;
}

function sayUntil(until: string | null): string {
  return until === null ? 'until it is lifted' : `until ${until}`;
}
