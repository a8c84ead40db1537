import { type CallResult, type CallScope, GatehouseError, type StreamItem } from '../core/index.js';
import type { Breaker } from '../limits/index.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';
import type { ToolRuntime } from './tool-runtime.js';
import { requireRuntime } from './validate.js';

/**
 * Runs the call on its upstream, checks the answer, and gives what `send` makes of it; at once where the tool answers at
 * once. Throws, or rejects with, GatehouseError; anything else becomes `internal`.
 */
export function dispatchCall<Sent>(
  gate: Gate,
  exchange: Exchange,
  send: (result: CallResult) => Sent,
): Sent | Promise<Sent> {
  const visit = openVisit(gate, exchange);
  let result: CallResult | Promise<CallResult>;
  try {
    result = visit.prepared.call(visit.args, visit.scope);
  } catch (error) {
    throw fail(visit, error);
  }
  return result instanceof Promise ? wait(gate, visit, result, send) : send(succeed(visit, result));
}

/** One call at its upstream, and what was taken for it. */
function openVisit(gate: Gate, exchange: Exchange) {
  const { runtime, prepared, args } = requireDispatchable(exchange);
  const ticket = enterUpstream(gate, exchange, runtime);
  const span = exchange.trace?.openUpstream(runtime.upstream);
  const scope = exchange.openScope(runtime.tool.settings.timeout_ms, span);
  return { exchange, runtime, prepared, args, ticket, span, scope, start_ms: performance.now() };
}

type Visit = ReturnType<typeof openVisit>;

function wait<Sent>(
  { calls }: Gate,
  visit: Visit,
  pending: Promise<CallResult>,
  send: (result: CallResult) => Sent,
): Promise<Sent> {
  calls.add(visit.scope);
  return pending.then(
    (result) => {
      calls.delete(visit.scope);
      return send(succeed(visit, result));
    },
    (error) => {
      calls.delete(visit.scope);
      throw fail(visit, error);
    },
  );
}

/** Throws GatehouseError `upstream_invalid` for an answer outside the tool's outputs. */
function succeed(visit: Visit, result: CallResult): CallResult {
  const { exchange, runtime, ticket, span, start_ms } = visit;
  runtime.breaker.settle(ticket, true);
  exchange.response_bytes = Buffer.byteLength(result.body);
  if (runtime.checks_outputs) {
    try {
      runtime.validateOutput(result.body);
    } catch (error) {
      throw fail(visit, error);
    }
  }
  exchange.upstream_ms = performance.now() - start_ms;
  span?.end();
  return result;
}

/** Gives the error back, to be thrown. */
function fail({ exchange, runtime, ticket, span, start_ms }: Visit, error: unknown): unknown {
  settleFailure(runtime.breaker, ticket, error);
  exchange.upstream_ms = performance.now() - start_ms;
  span?.end(error);
  return error;
}

/** Takes a place among the calls in flight, until the exchange is recorded, and the breaker's leave to go ahead. */
function enterUpstream(gate: Gate, exchange: Exchange, runtime: ToolRuntime): number {
  // The caller went away before this stage: what would be taken here, nobody would give back.
  if (exchange.recorded) throw new GatehouseError('client_aborted');
  const { tool, upstream, breaker } = runtime;
  const caller = exchange.principal?.id ?? '';
  const seat = gate.caps.enter(caller, tool.id, upstream);
  if (typeof seat === 'string') throw new GatehouseError('overloaded', { reason: seat, retry_after: 1 });
  exchange.seat = seat;
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
  const visit = openVisit(gate, exchange);
  const { prepared, args, scope } = visit;
  gate.streams.add(scope);
  try {
    if (!prepared.stream) throw notStreamable();
    const outcome = await write(prepared.stream(args, scope), scope);
    visit.runtime.breaker.settle(visit.ticket, true);
    exchange.upstream_ms = performance.now() - visit.start_ms;
    visit.span?.end();
    return outcome;
  } catch (error) {
    throw fail(visit, error);
  } finally {
    gate.streams.delete(scope);
  }
}

function notStreamable(): GatehouseError {
  return new GatehouseError('internal', { internal: 'a call that does not stream was streamed' });
}

function requireDispatchable(exchange: Exchange) {
  const runtime = requireRuntime(exchange);
  const { prepared } = runtime;
  const { args } = exchange;
  if (!prepared || !args) throw new GatehouseError('internal', { internal: 'dispatch ran without validate' });
  return { runtime, prepared, args };
}
