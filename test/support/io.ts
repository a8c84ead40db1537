import type { Io } from '../../src/cli/command.js';
import { runCli } from '../../src/cli/run.js';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process, as a person without a terminal would see it. */
export async function runCommand(args: readonly string[], over: Partial<Io> = {}): Promise<CliResult> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(args, {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    colours: false,
    environment: {},
    cwd: process.cwd(),
    ...over,
  });
  return { code, out: out.join('\n'), err: err.join('\n') };
}
