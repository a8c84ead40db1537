import { readFileSync, rmSync } from 'node:fs';
import { stringify } from 'yaml';
import { createKey } from '../../src/auth/index.js';
import { keyEntry } from '../support/server.js';

/** Of one caller and the limited tool, in an hour. */
export const meteredLimit = 30;
export const flushInterval_ms = 100;
/** Of the tools whose upstream hangs; long enough that a busy machine alone lets none time out. */
export const callTimeout_ms = 3000;
/** The callers that `meter` speaks for; each has its own limit. */
export const meteredCallers = Array.from({ length: 16 }, (_, index) => `metered-${index}`);

/** The text of a keys file in which the caller `filed` has a key of its own choice. */
export function fileKey(path: string): string {
  createKey(path, 'filed');
  const text = readFileSync(path, 'utf8');
  rmSync(path);
  return text.replace(/sha256: \S+/, `sha256: ${keyEntry('filed-key').sha256}`);
}

/** `gatehouse.yaml` of both replicas. */
export function describeConfig() {
  const caller = (id: string, role = id) => ({ id, roles: [role], api_keys: { current: keyEntry(`${id}-key`) } });
  return {
    manuals: [
      {
        name: 'shop',
        source: './m.yaml',
        allow_private_hosts: ['127.0.0.1'],
        tools: {
          ...Object.fromEntries(hanging.map((name) => [name, { timeout_ms: callTimeout_ms, log_arguments: ['id'] }])),
          ...Object.fromEntries(steady.map((name) => [name, { log_arguments: ['id'] }])),
        },
      },
    ],
    policy: {
      roles: {
        reader: { discover: ['shop.item', 'shop.write'], call: ['shop.item'] },
        writer: { discover: ['shop.item', 'shop.write'], call: ['shop.write'] },
        admin: { discover: ['*'], call: ['*'] },
        shifting: { discover: ['shop.item'], call: ['shop.item'] },
        filed: { discover: ['shop.item'], call: ['shop.item'] },
        metered: { discover: ['shop.metered'], call: ['shop.metered'] },
      },
    },
    callers: [
      ...['reader', 'writer', 'admin', 'shifting'].map((id) => caller(id)),
      { id: 'filed', roles: ['filed'] },
      ...meteredCallers.map((id) => caller(id, 'metered')),
    ],
    auth: { keys_file: './keys.yaml' },
    limits: {
      per_caller: { per_hour: 1_000_000 },
      auth_failures_per_address: { per_minute: 1_000_000 },
      per_tool: { 'shop.metered': { per_hour: meteredLimit } },
      auth_failures_per_caller: { per_minute: 1_000_000 },
      // So that a mended upstream is asked again within a round.
      circuit_breaker: { cool_down_ms: 500, window_ms: 2000 },
    },
    state: { redis_url_variable: 'UTCP_REDIS_URL', timeout_ms: 3000 },
    security_log: { signing_key_variable: 'UTCP_LOG_KEY', flush_interval_ms: flushInterval_ms },
    server: { drain_timeout_ms: 5000, drain_delay_ms: 500 },
  };
}

/** Tools of the upstream that hangs, and of the other one. */
const hanging = ['item', 'write', 'drop'];
const steady = ['elsewhere', 'metered'];

/** The manual `shop`: most tools at an upstream that hangs when it is told to, two at another one. */
export function describeManual() {
  const tool = (name: string, http_method: string, url: string) => ({
    name,
    description: `The tool ${name}.`,
    inputs: {
      type: 'object',
      properties: { id: { type: 'string', maxLength: 40 } },
      required: ['id'],
      additionalProperties: false,
    },
    tool_call_template: { call_template_type: 'http', http_method, url: `${url}/${name}/{id}` },
  });
  return stringify({
    utcp_version: '1.1.0',
    manual_version: '1.0.0',
    tools: [
      tool('item', 'GET', '${API_URL}'),
      tool('write', 'POST', '${API_URL}'),
      tool('drop', 'DELETE', '${API_URL}'),
      tool('elsewhere', 'GET', '${API_ELSEWHERE_URL}'),
      tool('metered', 'GET', '${API_ELSEWHERE_URL}'),
    ],
  });
}
