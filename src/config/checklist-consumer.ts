import { count, type Draft, failEach } from './checklist-item.js';
import { findUnverified } from './checklist-provider.js';
import type { LoadedConfig } from './load.js';

/** The guide's Tool Consumer checklist: what this server does as a client of its upstreams, line by line. */
export function answerConsumer({ config, catalog }: LoadedConfig): readonly Draft[] {
  const { tools } = catalog;
  const keys = config.callers.flatMap(({ api_keys }) =>
    [api_keys?.current, api_keys?.next].filter((key) => key !== undefined),
  );
  const lasting = keys.filter(({ expires_at }) => expires_at === undefined).length;
  const built = (id: string, title: string, passes: string): Draft => ({
    ...{ id, title, passes, failures: [], pointer: '', mend: '' },
  });
  const timeouts = tools.map(({ settings }) => settings.timeout_ms);
  const bounds = timeouts.length > 0 ? `${Math.min(...timeouts)} to ${Math.max(...timeouts)} ms` : 'none so far';
  return [
    built(
      'variable-substitution',
      'Variable substitution is sanitized',
      `only variables with the prefixes ${config.variables.allowed_prefixes.join(', ')}, put in by context, once`,
    ),
    {
      ...built(
        'upstream-certificates',
        'SSL certificate verification enabled',
        'TLS 1.2 or newer, chain and host name checked',
      ),
      failures: failEach(findUnverified(tools), 'has verify_ssl: false'),
      pointer: '/manuals',
      mend: 'Take verify_ssl: false out; name a private authority in tls.ca_file instead.',
    },
    built('connection-timeouts', 'Connection timeouts configured', `connections 10 s; calls of the tools: ${bounds}`),
    built(
      'rate-limits-respected',
      'Rate limiting respected',
      'Retry-After of upstreams is honoured within the call’s time',
    ),
    built(
      'consumer-events',
      'Security events logged',
      `every call leaves one event in ${config.security_log.file ?? 'standard output'}`,
    ),
    {
      ...built(
        'key-rotation',
        'Credentials rotated regularly',
        `${count(keys.length, 'configured key')}, ${lasting} without an end`,
      ),
      applies: keys.length > 0,
    },
    built(
      'network-monitoring',
      'Network connections monitored',
      `upstreams’ health on the admin listener, port ${config.server.admin.port}; failures are events`,
    ),
    built(
      'validation-before-calls',
      'Input validation before tool calls',
      'arguments are checked before anything leaves',
    ),
  ];
}
