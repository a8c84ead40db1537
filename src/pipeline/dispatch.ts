import { type CallResult, type CallScope, GatehouseError, type StreamItem } from '../core/index.js';
import type { Breaker } from '../limits/index.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';
import type { ToolRuntime } from './tool-runtime.js';
import { requireRuntime } from './validate.js';

/** Runs the call on its upstream and checks the answer. Throws GatehouseError; anything else becomes `internal`. */
export async function dispatchCall(gate: Gate, exchange: Exchange): Promise<CallResult> {
  const { runtime, prepared, args } = requireDispatchable(exchange);
  const ticket = enterUpstream(gate, exchange, runtime);
  const span = exchange.trace?.openUpstream(runtime.upstream);
  const scope = exchange.openScope(runtime.tool.settings.timeout_ms, span);
  gate.calls.add(scope);
  const start_ms = performance.now();
  try {
    const result = await prepared.call(args, scope);
    runtime.breaker.settle(ticket, true);
    exchange.response_bytes = result.body.length;
    if (runtime.checks_outputs) runtime.validateOutput(result.body);
    span?.end();
    return result;
  } catch (error) {
    settleFailure(runtime.breaker, ticket, error);
    span?.end(error);
    throw error;
  } finally {
    exchange.upstream_ms = performance.now() - start_ms;
    gate.calls.delete(scope);
  }
}

/** Takes a place among the calls in flight, until the exchange is recorded, and the breaker's leave to go ahead. */
function enterUpstream(gate: Gate, exchange: Exchange, runtime: ToolRuntime): number {
  // The caller went away before this stage: what would be taken here, nobody would give back.
  if (exchange.recorded) throw new GatehouseError('client_aborted');
  const { tool, upstream, breaker } = runtime;
  const caller = exchange.principal?.id ?? '';
  const busy = gate.caps.enter(caller, tool.id, upstream);
  if (busy) throw new GatehouseError('overloaded', { reason: busy, retry_after: 1 });
  exchange.release = () => gate.caps.leave(caller, tool.id, upstream);
  const ticket = breaker.enter();
  if (ticket > 0) return ticket;
  const retry_after = Math.max(1, Math.ceil(breaker.retry_after_ms / 1000));
  throw new GatehouseError('upstream_unavailable', { reason: 'breaker_open', retry_after });
}

// A refusal that is the upstream's answer (a 404, say) is no failure of the upstream.
function settleFailure(breaker: Breaker, ticket: number, error: unknown): void {
  if (!(error instanceof GatehouseError) || error.code === 'client_aborted') return breaker.abandon(ticket);
  const { upstream_status } = error.details;
  if (upstream_status !== undefined && upstream_status < 500) return breaker.settle(ticket, true);
  const isFailure = error.code === 'upstream_failed' || error.code === 'upstream_timeout';
  if (isFailure) breaker.settle(ticket, false);
  else breaker.abandon(ticket);
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
  if (!prepared.stream) throw new GatehouseError('internal', { internal: 'a call that does not stream was streamed' });
  const ticket = enterUpstream(gate, exchange, runtime);
  const span = exchange.trace?.openUpstream(runtime.upstream);
  const scope = exchange.openScope(runtime.tool.settings.timeout_ms, span);
  gate.streams.add(scope);
  const start_ms = performance.now();
  try {
    const outcome = await write(prepared.stream(args, scope), scope);
    runtime.breaker.settle(ticket, true);
    span?.end();
    return outcome;
  } catch (error) {
    settleFailure(runtime.breaker, ticket, error);
    span?.end(error);
    throw error;
  } finally {
    exchange.upstream_ms = performance.now() - start_ms;
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
