import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import {
  deserializeMessage,
  type JSONRPCMessage,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/client';
import { GatehouseError } from '../core/index.js';
import { answerTooLargeCode, McpConnectionError } from './mcp-errors.js';
import { BoundedLineReader, findAnswerId } from './mcp-lines.js';
import type { Sandbox, SandboxedProcess } from './sandbox.js';

/** What is written to a server that does not read, before a call is refused. */
const maxUnreadBytes = 16_777_216;
/** How long a server has to end by itself once its input is closed. */
const shutdownGraceMs = 500;
/** How long the last answers of a server that has ended are read; a grandchild may hold the pipe open for good. */
const lastWordsMs = 100;
/** A line that is too long is dropped as it comes; one that has brought this much has no end. */
const endlessLineBytes = 67_108_864;
const keptStderr = 4_096;

/**
 * An MCP transport over the standard streams of a process in the sandbox: one JSON-RPC message a line (MCP 2025-11-25,
 * Transports, stdio). Lines are bounded; standard error is read to its end, and only its last characters are kept.
 */
export class McpStdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  /** Here because the client takes a transport that has `pid` and `stderr` for stdio. */
  readonly pid = null;
  readonly #sandbox: Sandbox;
  readonly #args: readonly string[];
  readonly #maxLineBytes: number;
  readonly #reader: BoundedLineReader;
  #process: SandboxedProcess | undefined;
  #stderr = '';
  #heard = false;
  #finished = false;

  constructor(sandbox: Sandbox, args: readonly string[], maxLineBytes: number) {
    this.#sandbox = sandbox;
    this.#args = args;
    this.#maxLineBytes = maxLineBytes;
    this.#reader = new BoundedLineReader(maxLineBytes, {
      onLine: (line) => this.#receive(line),
      onLongLine: (head, tail) => this.#receiveLong(head, tail),
    });
  }

  /** The last that the server wrote to standard error; for the operator's eyes alone. */
  get stderr(): string {
    return this.#stderr;
  }

  async start(): Promise<void> {
    const server = this.#sandbox.spawn(this.#args, { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' });
    this.#process = server;
    server.stdout?.on('data', (chunk: Buffer) => this.#read(chunk));
    server.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-keptStderr);
    });
    void server.exit.then(async ({ started }) => {
      await drain(server.stdout);
      // bubblewrap that was killed tells nothing of its program; a program that spoke did start.
      this.onerror?.(new McpConnectionError(started || this.#heard ? 'exit' : 'not_started'));
      this.#finish();
    });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#process?.stdin;
    if (!stdin?.writable) throw new McpConnectionError('exit');
    if (stdin.writableLength > maxUnreadBytes) throw new GatehouseError('overloaded', { reason: 'server_not_reading' });
    stdin.write(serializeMessage(message));
  }

  /** Closes the server's input, gives it half a second to end, then kills it and all that it started. */
  async close(): Promise<void> {
    const server = this.#process;
    if (server) {
      server.stdin?.end();
      const grace = new AbortController();
      await Promise.race([
        server.exit,
        wait(shutdownGraceMs, undefined, { signal: grace.signal }).catch(() => undefined),
      ]);
      grace.abort();
      server.kill();
      await server.exit;
    }
    this.#finish();
  }

  /** Kills the server and all that it started, at once; `onclose` follows. */
  kill(): void {
    this.#process?.kill();
  }

  #read(chunk: Buffer): void {
    this.#heard = true;
    this.#reader.push(chunk);
    if (this.#reader.pendingBytes <= endlessLineBytes + this.#maxLineBytes) return;
    this.onerror?.(new McpConnectionError('line_too_long'));
    this.kill();
  }

  #receive(line: string): void {
    if (line.trim() === '') return;
    let message: JSONRPCMessage;
    try {
      message = deserializeMessage(line);
    } catch {
      // What the line says stays out of the error: it is the server's text.
      this.onerror?.(new Error('A line on standard output is not JSON-RPC.'));
      return;
    }
    this.onmessage?.(message);
  }

  #receiveLong(head: string, tail: string): void {
    const id = findAnswerId(head, tail);
    if (id === undefined) this.onerror?.(new Error('A line on standard output is too long.'));
    else this.onmessage?.({ jsonrpc: '2.0', id, error: { code: answerTooLargeCode, message: 'Too large.' } });
  }

  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#process?.stdin?.destroy();
    this.#process?.stdout?.destroy();
    this.#process?.stderr?.destroy();
    this.onclose?.();
  }
}

async function drain(stdout: Readable | undefined): Promise<void> {
  if (!stdout) return;
  const signal = AbortSignal.timeout(lastWordsMs);
  await finished(stdout, { signal, cleanup: true }).catch(() => undefined);
}
