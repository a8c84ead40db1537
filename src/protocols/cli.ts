import { basename } from 'node:path';
import { type Arguments, type CallResult, type CallScope, GatehouseError, type PreparedCall } from '../core/index.js';
import { type CliStep, prepareSteps, programTimeout } from './cli-steps.js';
import { type CliTemplate, cliTemplate } from './cli-template.js';
import { ProcessRunner } from './process.js';
import type { Protocol, ProtocolDependencies, ToolBinding } from './protocol.js';
import { textDecoders } from './text-encoding.js';
import { toResult } from './text-result.js';

/**
 * `cli`: a program runs with the caller's arguments, in a sandbox, never through a shell. Accepts the guide's shape and
 * UTCP 1.1's. See docs/protocols/cli.md and docs/sandbox.md.
 */
export function createCliProtocol(deps: ProtocolDependencies): Protocol<CliTemplate> {
  const runner = new ProcessRunner();
  return {
    type: 'cli',
    schema: cliTemplate,
    prepare: (template, binding) => prepareProgram(template, binding, runner, deps.report),
    close: () => runner.close(),
  };
}

interface Program {
  readonly steps: readonly CliStep[];
  readonly timeout_ms: number;
  readonly max_output_bytes: number;
  readonly exit_codes: ReadonlySet<number>;
  readonly runner: ProcessRunner;
}

function prepareProgram(
  template: CliTemplate,
  binding: ToolBinding,
  runner: ProcessRunner,
  report: ProtocolDependencies['report'],
): PreparedCall {
  const steps = prepareSteps(template, binding);
  const program: Program = {
    steps,
    timeout_ms: programTimeout(template, binding),
    max_output_bytes: Math.min(template.max_output_bytes, binding.settings.max_response_bytes),
    exit_codes: new Set(template.allowed_exit_codes),
    runner,
  };
  const upstream = basename(steps[0]?.command ?? 'cli');
  return {
    call: (args, scope) =>
      runProgram(program, args, scope)
        .then((output) => toOutput(output, template.output))
        .catch((error: unknown) => {
          if (error instanceof GatehouseError && error.code.startsWith('upstream_')) {
            report({ kind: 'failed', upstream, tool: binding.tool, reason: error.reason });
          }
          throw error;
        }),
  };
}

async function runProgram(program: Program, args: Arguments, scope: CallScope): Promise<Buffer> {
  // Every step's arguments are checked before the first one runs.
  const lines = program.steps.map((step) => step.argv.render(args, scope));
  const end = performance.now() + program.timeout_ms;
  const outputs: Buffer[] = [];
  let room = program.max_output_bytes;
  for (const [index, step] of program.steps.entries()) {
    const { stdout, code } = await program.runner.run(
      {
        sandbox: step.sandbox,
        args: lines[index] ?? [],
        timeout_ms: Math.max(1, Math.ceil(end - performance.now())),
        max_output_bytes: room,
      },
      scope,
    );
    if (!program.exit_codes.has(code)) {
      throw new GatehouseError('upstream_failed', { reason: 'exit_code', internal: `exit code ${code}` });
    }
    room -= stdout.length;
    if (step.shown) outputs.push(stdout);
  }
  return outputs.length === 1 && outputs[0] ? outputs[0] : Buffer.concat(outputs);
}

function toOutput(output: Buffer, form: 'text' | 'json'): CallResult {
  return toResult(textDecoders['utf-8'](output), form);
}
