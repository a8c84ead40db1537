import { describe, expect, it } from 'vitest';
import type { CallTemplate } from '../../src/core/index.js';
import { LoadError } from '../../src/core/index.js';
import { makeBinding } from '../support/binding.js';
import { makeRegistry } from '../support/http-call.js';

const host = 'up.example';
const templates: readonly [string, CallTemplate][] = [
  ['http', { call_template_type: 'http', url: `https://${host}/`, verify_ssl: false }],
  ['sse', { call_template_type: 'sse', url: `https://${host}/`, verify_ssl: false }],
  ['streamable_http', { call_template_type: 'streamable_http', url: `https://${host}/`, verify_ssl: false }],
  ['websocket', { call_template_type: 'websocket', url: `wss://${host}/`, verify_ssl: false }],
  ['mcp', { call_template_type: 'mcp', server_config: { url: `https://${host}/mcp`, verify_ssl: false } }],
];

function load(template: CallTemplate, ...allow_unverified_tls_hosts: readonly string[]) {
  const binding = makeBinding({ settings: { allow_unverified_tls_hosts } });
  makeRegistry().registry.prepareTool(template, binding);
  return binding.notices;
}

describe.each(templates)('verify_ssl: false of %s', (_type, template) => {
  it.each([[], ['example'], ['other.example'], [`x.${host}`]])(
    'fails the load where the configuration names %j and not that host',
    (...named) => {
      expect(() => load(template, ...named)).toThrow(LoadError);
      expect(() => load(template, ...named)).toThrow(/allow_unverified_tls_hosts/);
    },
  );

  it('is a warning each time it is loaded where the configuration names the host', () => {
    for (const _time of [1, 2]) {
      expect(load(template, host)).toEqual([
        expect.objectContaining({
          rule: 'tls-unverified',
          severity: 'warning',
          message: expect.stringContaining(host),
        }),
      ]);
    }
  });
});
