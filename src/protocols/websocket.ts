import { GatehouseError, type PreparedCall } from '../core/index.js';
import { inputNames } from '../variables/index.js';
import { TokenSources } from './http-oauth.js';
import { type UpstreamOrigin, UpstreamOrigins } from './http-origin.js';
import { RequestPlan } from './http-request.js';
import type { Protocol, ProtocolDependencies, ToolBinding } from './protocol.js';
import { StreamSlots } from './stream-limits.js';
import { UpstreamState } from './upstream-state.js';
import { WebsocketCall } from './websocket-call.js';
import { type CompiledMessage, compileMessage } from './websocket-message.js';
import { WebsocketPool } from './websocket-pool.js';
import {
  refuseHandshakeHeaders,
  requireSecureWebsocket,
  type WebsocketTemplate,
  websocketTemplateSchema,
} from './websocket-template.js';

/**
 * UTCP's `websocket` protocol, bridged: a call sends one message over `wss` and answers with the message that comes
 * back, or with the JSON array of those that the template expects.
 */
export function createWebsocketProtocol(deps: ProtocolDependencies): Protocol<WebsocketTemplate> {
  const shared: Shared = {
    deps,
    origins: new UpstreamOrigins(deps),
    tokens: new TokenSources(),
    calls: new Set(),
    states: new Map(),
  };
  return {
    type: 'websocket',
    schema: websocketTemplateSchema,
    prepare: (template, binding) => prepareCall(template, binding, shared),
    retain: (inUse) => retainCalls(inUse, shared),
    health: () => [...shared.states.values()].map((state) => state.health()),
    async close() {
      const error = new GatehouseError('upstream_failed', { reason: 'closed' });
      await Promise.all([...shared.calls].map(({ parts }) => parts.pool.close(error)));
      shared.calls.clear();
      await shared.origins.close();
    },
  };
}

interface Shared {
  readonly deps: ProtocolDependencies;
  /** Of token endpoints. */
  readonly origins: UpstreamOrigins;
  readonly tokens: TokenSources;
  readonly calls: Set<WebsocketCall>;
  /** By origin. */
  readonly states: Map<string, UpstreamState>;
}

function prepareCall(template: WebsocketTemplate, binding: ToolBinding, shared: Shared): PreparedCall {
  const { deps, origins, tokens, calls, states } = shared;
  refuseHandshakeHeaders(template, binding);
  const request = { ...template, http_method: 'GET', content_type: 'application/json' } as const;
  const plan = new RequestPlan(request, binding, { accept: '*/*', kind: 'ws', rest_in_query: false });
  requireSecureWebsocket(plan.upstream.url, binding);
  const message = compileTemplateMessage(template, plan, binding);
  const { max_response_bytes, max_streams_per_caller } = binding.settings;
  const { response_format, expected_responses, timeout } = template;
  const { url } = plan.upstream;
  const state = states.get(url.origin) ?? new UpstreamState(url, deps);
  states.set(url.origin, state);
  const call = new WebsocketCall({
    plan,
    message,
    target: {
      upstream: plan.upstream,
      protocol: template.protocol ?? undefined,
      connection_timeout_ms: template.connection_timeout * 1000,
      ping_interval_ms: template.ping_interval * 1000,
      max_message_bytes: Math.min(template.max_size ?? max_response_bytes, max_response_bytes),
    },
    tokens: plan.grant && tokens.get(plan.grant, origins.get(plan.grant.upstream)),
    state,
    pool: new WebsocketPool(),
    slots: new StreamSlots(max_streams_per_caller),
    tool: binding.tool,
    format: response_format && response_format !== 'raw' ? response_format : 'auto',
    expected: expected_responses === -1 ? undefined : expected_responses,
    max_messages: template.max_events,
    keep_alive: template.keep_alive ?? template.close_after_response === false,
    timeout_ms: timeout ? Math.min(binding.timeout_ms, timeout * 1000) : binding.timeout_ms,
    response_timeout_ms: template.response_timeout * 1000,
    max_response_bytes,
    reportFlood: () =>
      deps.report({ kind: 'flooding', upstream: state.name, tool: binding.tool, reason: 'max_events' }),
  });
  calls.add(call);
  return call;
}

function compileTemplateMessage(
  template: WebsocketTemplate,
  plan: RequestPlan,
  binding: ToolBinding,
): CompiledMessage | undefined {
  if (template.message === undefined) return undefined;
  const { file, inputs, variables } = binding;
  const pointer = `${binding.pointer}/message`;
  const message = compileMessage(template.message, { file, pointer, inputs, variables });
  for (const name of inputNames(inputs)) {
    if (message.arguments.has(name) || plan.placed.has(name)) continue;
    binding.notice({
      rule: 'argument-unused',
      severity: 'warning',
      file,
      pointer,
      message: `${name} is an input that the template sends nowhere.`,
      mend: `Write {${name}} into the message, or take the input out.`,
    });
  }
  return message;
}

function retainCalls(inUse: ReadonlySet<object>, { calls, origins, states }: Shared): void {
  const gone = [...calls].filter((call) => !inUse.has(call));
  for (const call of gone) {
    calls.delete(call);
    void call.parts.pool.retire();
  }
  const kept = [...calls].map(({ parts }) => parts);
  const keptStates = new Set(kept.map(({ state }) => state));
  for (const [origin, state] of states) if (!keptStates.has(state)) states.delete(origin);
  origins.retain(new Set(kept.flatMap(({ tokens }): UpstreamOrigin[] => (tokens ? [tokens.origin] : []))));
}
