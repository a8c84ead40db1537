import { HttpCall } from './http-call.js';
import { TokenSources } from './http-oauth.js';
import { UpstreamOrigins } from './http-origin.js';
import { RequestPlan } from './http-request.js';
import { type HttpTemplate, httpTemplateSchema } from './http-template.js';
import type { Protocol, ProtocolDependencies, ToolBinding } from './protocol.js';

const accept = 'application/json, text/*;q=0.9, */*;q=0.8';

/**
 * UTCP's `http` protocol: arguments go into the path, headers, body or query of one request (UTCP 1.x, HttpCallTemplate)
 * to an upstream that the URL guard passes at load, at every call and at connect.
 */
export function createHttpProtocol(deps: ProtocolDependencies): Protocol<HttpTemplate> {
  const origins = new UpstreamOrigins(deps);
  const tokens = new TokenSources();
  return {
    type: 'http',
    schema: httpTemplateSchema,
    prepare: (template, binding) => prepareCall(template, binding, origins, tokens),
    retain: (inUse) => origins.retain(inUse),
    health: () => origins.health(),
    close: () => origins.close(),
  };
}

function prepareCall(
  template: HttpTemplate,
  binding: ToolBinding,
  origins: UpstreamOrigins,
  tokens: TokenSources,
): HttpCall {
  const { timeout, http_method } = template;
  // UTCP's default; on a GET it would only ever be a query parameter's name.
  const body_field = template.body_field === undefined && http_method !== 'GET' ? 'body' : template.body_field;
  const plan = new RequestPlan({ ...template, body_field }, binding, { accept });
  return new HttpCall({
    plan,
    origin: origins.get(plan.upstream),
    tokens: plan.grant && tokens.get(plan.grant, origins.get(plan.grant.upstream)),
    tool: binding.tool,
    timeout_ms: timeout ? Math.min(binding.timeout_ms, timeout * 1000) : binding.timeout_ms,
    max_response_bytes: binding.settings.max_response_bytes,
    max_retries: binding.settings.max_retries,
  });
}
