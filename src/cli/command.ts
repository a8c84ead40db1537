import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Where a command reads and writes; tests hand in their own. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Whether to colour: only on a terminal, and never with NO_COLOR. */
  readonly colours: boolean;
  /** Shows a line of progress in place of the one before, and an empty text takes it away; absent without a terminal. */
  status?(text: string): void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** Exit codes of every command. */
export const exitCodes = { good: 0, findings: 1, usage: 2 } as const;

export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** What stands for the value in the help, for example FILE. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What stands after the name, for example `FILE|URL`. */
  readonly usage: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Lines below the options: examples, and what the exit codes mean. */
  readonly notes?: readonly string[];
  /** It judges what it loads: what is wrong there is a finding (exit 1), and only what cannot be read exits 2. */
  readonly judges?: true;
  run(input: CommandInput, io: Io): Promise<number>;
}

export interface CommandInput {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
}

/** Wrong usage: the command line says so, with the help to look at, and exits 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const commonOptions = {
  config: { type: 'string', value: 'FILE', help: 'configuration (default config/gatehouse.yaml, or GATEHOUSE_CONFIG)' },
  json: { type: 'boolean', help: 'machine output' },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** Parses a command's arguments. Throws UsageError for what it does not know. */
export function parseCommand(command: Command, args: readonly string[]): CommandInput {
  const options: NonNullable<ParseArgsConfig['options']> = Object.fromEntries(
    Object.entries(command.options).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short !== undefined && { short }), ...(multiple && { multiple }) },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
    return { values, positionals };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

export function describeCommand(command: Command): string {
  const rows = Object.entries(command.options).map(([name, option]) => {
    const value = option.value === undefined ? '' : ` ${option.value}`;
    return [`${option.short ? `-${option.short}, ` : '    '}--${name}${value}`, option.help] as const;
  });
  const width = Math.max(...rows.map(([flag]) => flag.length));
  return [
    `Usage: gatehouse ${command.name}${command.usage ? ` ${command.usage}` : ''} [options]`,
    '',
    command.summary,
    '',
    ...rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`),
    ...(command.notes ? ['', ...command.notes] : []),
  ].join('\n');
}

/** A string option; undefined when absent. */
export function stringOf(input: CommandInput, name: string): string | undefined {
  const value = input.values[name];
  return typeof value === 'string' ? value : undefined;
}

export function stringsOf(input: CommandInput, name: string): readonly string[] {
  const value = input.values[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function flagOf(input: CommandInput, name: string): boolean {
  return input.values[name] === true;
}

/** The positionals, exactly as many as named. Throws UsageError that says which is missing or too many. */
export function takePositionals(input: CommandInput, ...names: readonly string[]): readonly string[] {
  if (input.positionals.length < names.length) throw new UsageError(`${names[input.positionals.length]} is missing`);
  if (input.positionals.length > names.length) {
    throw new UsageError(`unexpected argument ${input.positionals[names.length]}`);
  }
  return input.positionals;
}

/** The configuration file: --config, GATEHOUSE_CONFIG, or the default. */
export function configFileOf(input: CommandInput, io: Io): string {
  return stringOf(input, 'config') ?? io.environment.GATEHOUSE_CONFIG ?? 'config/gatehouse.yaml';
}
