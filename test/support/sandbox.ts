import { CallScope } from '../../src/core/index.js';
import { type ProcessOutcome, ProcessRunner } from '../../src/protocols/process.js';
import { defaultProcessLimits, prepareSandbox, type SandboxOptions } from '../../src/protocols/sandbox.js';

/** Where a test's options are said to stand. */
export const place = { file: 'manual.yaml', pointer: '/tools/0/tool_call_template' };

/** Options of a program in a sandbox with the default limits. */
export function sandboxOptions(command: string, over: Partial<SandboxOptions> = {}): SandboxOptions {
  return { sandbox: 'required', command, environment: {}, limits: defaultProcessLimits, ...over };
}

/** Runs a program to its end, in a sandbox unless told otherwise. */
export async function runProgram(
  command: string,
  args: readonly string[],
  over: Partial<SandboxOptions> = {},
  timeoutMs = 10_000,
): Promise<ProcessOutcome> {
  const sandbox = prepareSandbox(sandboxOptions(command, over), place);
  const job = { sandbox, args, timeout_ms: timeoutMs, max_output_bytes: 1_048_576 };
  return new ProcessRunner().run(job, createScope());
}

/** Runs a shell script to its end and gives what it printed. */
export async function runScript(script: string, over: Partial<SandboxOptions> = {}): Promise<string> {
  return (await runProgram('/bin/sh', ['-c', `${script}\n:`], over)).stdout.toString();
}

export function createScope(timeoutMs = 20_000): CallScope {
  return new CallScope('request-1', timeoutMs, 'alice');
}
