import { GatehouseError } from '../core/index.js';
import type { Gate } from './gate.js';

/**
 * What is asked ahead of anything that costs: the refusal of a server that drains, can't record, or has more work than
 * it can do in time. Undefined when it takes the request. Health is not asked this: a busy process is alive.
 */
export function refuseBusy(gate: Gate): GatehouseError | undefined {
  if (gate.draining) return new GatehouseError('draining', { retry_after: 1 });
  // Under `on_failure: refuse`, nothing is done that could not be recorded.
  if (!gate.sink.accepting) return new GatehouseError('overloaded', { reason: 'log_failing', retry_after: 1 });
  const pressure = gate.readPressure?.();
  return pressure && new GatehouseError('overloaded', { reason: pressure, retry_after: 1 });
}
