import { type CallResult, GatehouseError } from '../core/index.js';
import type { Exchange } from './exchange.js';
import { requireRuntime } from './validate.js';

/** Runs the call on its upstream and checks the answer. Throws GatehouseError; anything else becomes `internal`. */
export async function dispatchCall(exchange: Exchange): Promise<CallResult> {
  const runtime = requireRuntime(exchange);
  const { prepared, tool } = runtime;
  if (!prepared || !exchange.args) throw new GatehouseError('internal', { internal: 'dispatch ran without validate' });
  const result = await prepared.call(exchange.args, exchange.openScope(tool.settings.timeout_ms));
  if (runtime.checks_outputs) runtime.validateOutput(result.body);
  return result;
}
