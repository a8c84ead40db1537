import type { Principal, Tool, ToolSettings } from '../../src/core/index.js';

/** Settings as the configuration's defaults give them. */
export const defaultSettings: ToolSettings = {
  required_scopes: [],
  timeout_ms: 30_000,
  log_arguments: [],
  honeypot: false,
  validate_outputs: true,
  publish_as: ['http'],
};

/** A routed GET tool; `over` changes what the test is about. */
export function createTool(manual: string, name: string, index: number, over: Partial<Tool> = {}): Tool {
  return {
    id: `${manual}.${name}`,
    index,
    manual,
    name,
    description: name,
    inputs: { type: 'object', properties: {} },
    outputs: undefined,
    tags: [],
    average_response_size: undefined,
    expose: 'routed',
    template: { call_template_type: 'http', url: 'https://upstream.example/x', http_method: 'GET' },
    settings: defaultSettings,
    ...over,
  };
}

export function createPrincipal(over: Partial<Principal> = {}): Principal {
  return {
    id: 'alice',
    source: 'api_key',
    roles: [],
    scopes: undefined,
    claims: {},
    credential_digest: 'digest',
    ...over,
  };
}
