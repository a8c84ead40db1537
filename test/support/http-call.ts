import {
  type Arguments,
  CallScope,
  type CallTemplate,
  GatehouseError,
  type PreparedCall,
} from '../../src/core/index.js';
import type { UpstreamReport } from '../../src/protocols/protocol.js';
import { createProtocols, type ProtocolRegistry } from '../../src/protocols/registry.js';
import { type BindingOptions, inputsOf, makeBinding } from './binding.js';
import { endAfterTest } from './cleanup.js';

/** A registry that ends with the test, and what it reported. */
export function makeRegistry(): { readonly registry: ProtocolRegistry; readonly reports: UpstreamReport[] } {
  const reports: UpstreamReport[] = [];
  const registry = createProtocols({ report: (report) => reports.push(report) });
  endAfterTest(() => registry.close());
  return { registry, reports };
}

/** A scope as the pipeline makes it. */
export function makeScope(timeoutMs = 5000, trace?: { traceparent: string; tracestate: string }): CallScope {
  return new CallScope('request-1', timeoutMs, 'alice', trace?.traceparent, trace?.tracestate);
}

/** Prepares a template whose inputs are the names given, in a registry of its own. */
export function prepare(
  template: Omit<CallTemplate, 'call_template_type'>,
  inputs: readonly string[] = [],
  options: BindingOptions = {},
  registry = makeRegistry().registry,
): PreparedCall {
  const binding = makeBinding({ inputs: inputsOf(...inputs), ...options });
  return registry.prepareTool({ call_template_type: 'http', ...template }, binding);
}

/** Calls and gives the parsed result. */
export async function call(prepared: PreparedCall, args: Arguments = {}, scope = makeScope()): Promise<unknown> {
  return JSON.parse((await prepared.call(args, scope)).body.toString());
}

/** Calls and gives the coded error that it fails with. */
export async function failure(
  prepared: PreparedCall,
  args: Arguments = {},
  scope = makeScope(),
): Promise<GatehouseError> {
  try {
    await prepared.call(args, scope);
  } catch (error) {
    if (error instanceof GatehouseError) return error;
    throw error;
  }
  throw new Error('the call succeeded');
}
