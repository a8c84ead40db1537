import { type CallResult, type CallScope, GatehouseError, type StreamItem } from '../core/index.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';
import { requireRuntime } from './validate.js';

/** Runs the call on its upstream and checks the answer. Throws GatehouseError; anything else becomes `internal`. */
export async function dispatchCall(gate: Gate, exchange: Exchange): Promise<CallResult> {
  const { runtime, prepared, args } = requireDispatchable(exchange);
  const scope = exchange.openScope(runtime.tool.settings.timeout_ms);
  gate.calls.add(scope);
  try {
    const result = await prepared.call(args, scope);
    if (runtime.checks_outputs) runtime.validateOutput(result.body);
    return result;
  } finally {
    gate.calls.delete(scope);
  }
}

/** Whether the call can be streamed. */
export function isStreamable(exchange: Exchange): boolean {
  return exchange.runtime?.prepared?.stream !== undefined;
}

/**
 * Opens the call's stream and hands it to `write`, which settles when the stream is over. The scope is among the
 * gate's streams for as long, so that a drain can close it.
 */
export async function dispatchStream<Outcome>(
  gate: Gate,
  exchange: Exchange,
  write: (items: AsyncIterable<StreamItem>, scope: CallScope) => Promise<Outcome>,
): Promise<Outcome> {
  const { runtime, prepared, args } = requireDispatchable(exchange);
  const scope = exchange.openScope(runtime.tool.settings.timeout_ms);
  if (!prepared.stream) throw new GatehouseError('internal', { internal: 'a call that does not stream was streamed' });
  gate.streams.add(scope);
  try {
    return await write(prepared.stream(args, scope), scope);
  } finally {
    gate.streams.delete(scope);
  }
}

function requireDispatchable(exchange: Exchange) {
  const runtime = requireRuntime(exchange);
  const { prepared } = runtime;
  const { args } = exchange;
  if (!prepared || !args) throw new GatehouseError('internal', { internal: 'dispatch ran without validate' });
  return { runtime, prepared, args };
}
