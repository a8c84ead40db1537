import {
  CallScope,
  type CallTemplate,
  GatehouseError,
  type JsonObject,
  type PreparedCall,
} from '../../src/core/index.js';
import type { UpstreamReport } from '../../src/protocols/protocol.js';
import { createProtocols, type ProtocolRegistry } from '../../src/protocols/registry.js';
import { type BindingOptions, makeBinding, type TestBinding } from './binding.js';

/** A registry with what it reported. */
export interface TestProtocols extends ProtocolRegistry {
  readonly reports: UpstreamReport[];
  /** Prepares a template as the catalog does. */
  prepare(template: CallTemplate, options?: BindingOptions): PreparedCall & { readonly binding: TestBinding };
}

/** Every protocol, as the server has them. */
export function createTestProtocols(): TestProtocols {
  const reports: UpstreamReport[] = [];
  const registry = createProtocols({ report: (report) => reports.push(report) });
  return {
    ...registry,
    reports,
    prepare(template, options) {
      const binding = makeBinding(options);
      const prepared = registry.prepareTool(template, binding);
      return { binding, call: (args, scope) => prepared.call(args, scope) };
    },
  };
}

/** Calls and gives the parsed result. */
export async function callTool(call: PreparedCall, args: JsonObject = {}): Promise<unknown> {
  const result = await call.call(args, new CallScope('request-1', 20_000, 'alice'));
  return JSON.parse(result.body.toString());
}

/** Calls what must fail, and gives the error. */
export async function failTool(call: PreparedCall, args: JsonObject = {}): Promise<GatehouseError> {
  const outcome = await callTool(call, args).catch((error: unknown) => error);
  if (outcome instanceof GatehouseError) return outcome;
  throw new Error(`Expected a refusal, got ${JSON.stringify(outcome) ?? String(outcome)}`);
}
