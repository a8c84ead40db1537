import { isAbsolute, resolve } from 'node:path';
import { LoadError } from '../core/index.js';
import { compileText, substituteVariables } from '../variables/index.js';
import { type CompiledArgv, compileArgv } from './cli-argv.js';
import type { CliTemplate } from './cli-template.js';
import { splitCommand } from './cli-words.js';
import { findBroadDirectory, resolveDirectory } from './path.js';
import type { ToolBinding } from './protocol.js';
import { defaultProcessLimits, prepareSandbox, type Sandbox, type SandboxOptions } from './sandbox.js';
import { noticeHiddenFiles } from './sandbox-hidden.js';

/** One program of a template, ready to run. */
export interface CliStep {
  /** Absolute path. */
  readonly command: string;
  readonly argv: CompiledArgv;
  readonly sandbox: Sandbox;
  /** Whether its standard output is part of the result. */
  readonly shown: boolean;
}

/**
 * Binds the programs of a template: commands split, arguments compiled, directories resolved, sandboxes proven. Tells
 * the binding of a sandbox that is switched off. Throws LoadError.
 */
export function prepareSteps(template: CliTemplate, binding: ToolBinding): readonly CliStep[] {
  const shared = sharedOptions(template, binding);
  if (binding.settings.sandbox === 'none') noticeNoSandbox(binding);
  if (template.command !== undefined) {
    const pointers = template.args?.map((_, index) => `${binding.pointer}/args/${index}`) ?? [];
    const command = readCommand(template.command, `${binding.pointer}/command`, binding);
    return [prepareStep(command, template.args ?? [], pointers, shared, true, binding)];
  }
  const commands = template.commands ?? [];
  return commands.map((step, index) => {
    const pointer = `${binding.pointer}/commands/${index}/command`;
    const [program = '', ...args] = splitCommand(step.command, { file: binding.file, pointer });
    // UTCP 1.1: only the last command's output is shown unless the step says otherwise.
    const shown = step.append_to_final_output ?? index === commands.length - 1;
    const pointers = args.map(() => pointer);
    return prepareStep(readCommand(program, pointer, binding), args, pointers, shared, shown, binding);
  });
}

/** Whole milliseconds for all programs of a template together: its timeout may only shorten the tool's. */
export function programTimeout(template: CliTemplate, binding: ToolBinding): number {
  return Math.ceil(Math.min((template.timeout ?? Number.POSITIVE_INFINITY) * 1000, binding.timeout_ms));
}

// By then the server has long ended it, unless the server itself is gone.
const lifetimeGraceMs = 2000;

type SharedOptions = Omit<SandboxOptions, 'command'>;

function prepareStep(
  command: string,
  args: readonly string[],
  pointers: readonly string[],
  shared: SharedOptions,
  shown: boolean,
  binding: ToolBinding,
): CliStep {
  const argv = compileArgv(args, pointers, binding);
  const options = { ...shared, command };
  const sandbox = prepareSandbox(options, { file: binding.file, pointer: binding.pointer });
  noticeHiddenFiles(args, pointers, options, binding);
  return { command, argv, sandbox, shown };
}

function readCommand(text: string, pointer: string, binding: ToolBinding): string {
  const { inputs, variables, file } = binding;
  const command = compileText(text, { context: 'argv', inputs, variables, file, pointer }).constant;
  if (command !== undefined && isAbsolute(command)) return command;
  throw LoadError.of({
    rule: 'command-relative',
    file,
    pointer,
    message: `${text} is not the absolute path of a program.`,
    mend: 'Write the whole path, without an argument in it; what runs must not depend on a search path or a caller.',
  });
}

function sharedOptions(template: CliTemplate, binding: ToolBinding): SharedOptions {
  const directory = template.working_directory ?? template.working_dir ?? undefined;
  const timeoutMs = programTimeout(template, binding);
  const limits = { ...defaultProcessLimits, cpu_seconds: Math.ceil(timeoutMs / 1000), ...stated(template.limits) };
  return {
    sandbox: binding.settings.sandbox,
    environment: readEnvironment(template, binding),
    limits,
    lifetime_ms: timeoutMs + lifetimeGraceMs,
    read_only_paths: template.read_only_paths,
    writable_paths: template.writable_paths,
    ...(directory === undefined ? {} : { working_directory: readDirectory(directory, binding) }),
    ...(template.run_as ? { run_as: template.run_as } : {}),
  };
}

/** The limits that a template states, without the members that it leaves out. */
function stated(limits: CliTemplate['limits']): Partial<Record<keyof CliTemplate['limits'], number>> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}

function readEnvironment(template: CliTemplate, binding: ToolBinding): Readonly<Record<string, string>> {
  const field = template.environment ? 'environment' : 'env_vars';
  const given = Object.entries(template.environment ?? template.env_vars ?? {});
  const { variables, file } = binding;
  return Object.fromEntries(
    given.map(([name, text]) => {
      const pointer = `${binding.pointer}/${field}/${name}`;
      return [name, substituteVariables(text, { context: 'plain', variables, file, pointer })];
    }),
  );
}

function readDirectory(text: string, binding: ToolBinding): string {
  const place = { file: binding.file, pointer: `${binding.pointer}/working_directory` };
  const directory = substituteVariables(text, { context: 'file_path', variables: binding.variables, ...place });
  const broad = findBroadDirectory(resolveDirectory(directory, binding.base_dir, place), place);
  if (broad) binding.notice(broad);
  return resolve(binding.base_dir, directory);
}

function noticeNoSandbox(binding: ToolBinding): void {
  binding.notice({
    rule: 'sandbox-none',
    severity: 'warning',
    file: binding.file,
    pointer: binding.pointer,
    message: 'This program runs without a sandbox: it reaches the network and every file that its user may read.',
    mend: 'Take sandbox: none out of the manual.',
  });
}
