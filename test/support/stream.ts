import type { ServerResponse } from 'node:http';
import {
  type Arguments,
  type CallScope,
  GatehouseError,
  type PreparedCall,
  type StreamItem,
} from '../../src/core/index.js';
import { makeScope } from './http-call.js';

/** Answers with server-sent events, as they are given, and ends. */
export function sendEvents(response: ServerResponse, ...texts: readonly (string | Buffer)[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const text of texts) response.write(text);
  response.end();
}

/** Streams a call; throws where its protocol does not stream. */
export function openStream(
  prepared: PreparedCall,
  args: Arguments = {},
  scope = makeScope(),
): AsyncIterator<StreamItem> {
  if (!prepared.stream) throw new Error('This call does not stream.');
  return prepared.stream(args, scope)[Symbol.asyncIterator]();
}

/** Streams a call to its end and gives the items. */
export async function readStream(
  prepared: PreparedCall,
  args: Arguments = {},
  scope = makeScope(),
): Promise<readonly StreamItem[]> {
  const items: StreamItem[] = [];
  const iterator = openStream(prepared, args, scope);
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) items.push(next.value);
  return items;
}

/** The coded error that a promise fails with. */
export async function failureOf(promise: Promise<unknown>): Promise<GatehouseError> {
  const outcome = await promise.catch((error: unknown) => error);
  if (outcome instanceof GatehouseError) return outcome;
  throw new Error('It did not fail with a coded error.');
}

/** Runs `count` tasks, at most `width` at once. */
export async function runMany(count: number, width: number, task: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** A scope that a test cancels. */
export function cancelAfter(scope: CallScope, reason: 'client_aborted' | 'draining', milliseconds: number): CallScope {
  setTimeout(() => scope.cancel(reason), milliseconds);
  return scope;
}
