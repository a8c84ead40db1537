#!/usr/bin/env node
import { runCli } from './run.js';

// A reader that has seen enough (`| head`) is no fault of this command: it goes on, and its exit code stays its own.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await runCli(process.argv.slice(2), {
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  ...(process.stderr.isTTY === true && { status: (text) => void process.stderr.write(`\r\u001b[K${text}`) }),
  colours: process.stderr.isTTY === true && !process.env.NO_COLOR,
  environment: process.env,
  cwd: process.cwd(),
});
