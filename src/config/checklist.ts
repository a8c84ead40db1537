import { type Finding, isJsonObject, type Json, type Tool } from '../core/index.js';
import type { LoadedConfig } from './load.js';

export type ChecklistStatus = 'pass' | 'fail' | 'not_applicable';

/** One line of the security guide's checklists, answered for a configuration. */
export interface ChecklistItem {
  /** Stable, kebab case; a failure is the finding `checklist-<id>`. */
  readonly id: string;
  readonly list: 'provider' | 'consumer' | 'protocol';
  /** The guide's line. */
  readonly title: string;
  readonly status: ChecklistStatus;
  /** What the answer rests on: which tool, which key. */
  readonly evidence: readonly string[];
  /** JSON pointer into the configuration. */
  readonly pointer: string;
  readonly mend: string;
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;

/** Answers the guide's Tool Provider, Tool Consumer and Protocol-Specific checklists for a loaded configuration. */
export function answerChecklist(loaded: LoadedConfig): readonly ChecklistItem[] {
  return [...answerProvider(loaded), ...answerConsumer(loaded), ...answerProtocols(loaded)];
}

/** The failures of a checklist as findings. */
export function describeChecklist(items: readonly ChecklistItem[], loaded: LoadedConfig): readonly Finding[] {
  return items.flatMap((item) => {
    if (item.status !== 'fail') return [];
    const line = loaded.lineOf(item.pointer);
    return [
      {
        rule: `checklist-${item.id}`,
        severity: 'error' as const,
        file: loaded.file,
        pointer: item.pointer,
        ...(line !== undefined && { line }),
        message: `${item.title}: ${item.evidence.join('; ')}.`,
        mend: item.mend,
      },
    ];
  });
}

type Draft = Omit<ChecklistItem, 'list' | 'status' | 'evidence'> & {
  readonly failures: readonly string[];
  readonly passes: string;
  readonly applies?: boolean;
};

function settle(list: ChecklistItem['list'], draft: Draft): ChecklistItem {
  const { failures, passes, applies = true, ...item } = draft;
  if (!applies) return { ...item, list, status: 'not_applicable', evidence: [passes] };
  return failures.length > 0
    ? { ...item, list, status: 'fail', evidence: failures }
    : { ...item, list, status: 'pass', evidence: [passes] };
}

function answerProvider(loaded: LoadedConfig): ChecklistItem[] {
  const { config, catalog } = loaded;
  const callers = config.callers.length + config.auth.jwt.length;
  const { per_caller } = config.limits;
  const drafts: Draft[] = [
    {
      id: 'manual-authentication',
      title: 'UTCP manual endpoint requires authentication',
      failures: callers > 0 ? [] : ['no caller and no issuer is configured, so nobody can come in'],
      passes: `${config.callers.length} callers and ${config.auth.jwt.length} JWT issuers; every other request is answered 401`,
      pointer: '/callers',
      mend: 'Add a caller: gatehouse keys create.',
    },
    {
      id: 'https',
      title: 'All tool endpoints use HTTPS/WSS',
      failures: [...plainPublicUrl(loaded), ...plainUpstreams(loaded)],
      passes: 'the public URL and every upstream are https, wss, loopback or hosts that allow_private_hosts names',
      pointer: '/server/public_url',
      mend: 'Put TLS in front and set server.public_url to the https URL; use https upstreams.',
    },
    {
      id: 'input-validation',
      title: 'Input validation implemented for all tools',
      failures: catalog.tools.filter(takesAnything).map(({ id }) => `${id} accepts any arguments`),
      passes: `${catalog.tools.length} tools have an inputs schema that every call is checked against`,
      pointer: '/manuals',
      mend: 'Give the tool inputs with properties, or additionalProperties: false.',
    },
    {
      id: 'rate-limiting',
      title: 'Rate limiting configured per user/tool',
      failures: per_caller.per_minute || per_caller.per_hour ? [] : ['limits.per_caller sets no rate'],
      passes: `per caller ${describeRate(per_caller)}; ${Object.keys(config.limits.per_tool).length} tools have limits of their own`,
      pointer: '/limits/per_caller',
      mend: 'Set limits.per_caller, for example { per_minute: 60, per_hour: 1000 }.',
    },
    {
      id: 'security-logging',
      title: 'Security logging enabled',
      failures: [],
      passes: `one event a request goes to ${config.security_log.file ? 'the security log file' : 'standard output'}`,
      pointer: '/security_log',
      mend: '',
    },
    {
      id: 'credentials',
      title: 'Credentials stored securely (not hardcoded)',
      failures: hardCodedCredentials(loaded),
      passes: 'callers are known by digests; every upstream credential is a variable',
      pointer: '/manuals',
      mend: 'Write the credential as ${API_NAME} and set the variable from the secrets directory.',
    },
    {
      id: 'certificate-validation',
      title: 'SSL certificate validation enabled',
      failures: catalog.tools
        .filter(({ template }) => template.verify_ssl === false)
        .map(({ id }) => `${id} has verify_ssl: false`),
      passes: 'every outbound TLS connection checks chain and host name',
      pointer: '/manuals',
      mend: 'Take verify_ssl: false out; name a private authority in tls.ca_file instead.',
    },
    {
      id: 'timeouts',
      title: 'Appropriate timeouts configured',
      failures: catalog.tools
        .filter(({ settings }) => settings.timeout_ms > 120_000)
        .map(({ id }) => `${id} may take over two minutes`),
      passes: 'every tool has a timeout of at most two minutes',
      pointer: '/manuals',
      mend: 'Set timeout_ms of the manual or the tool; the official clients wait 30 s.',
    },
    {
      id: 'error-messages',
      title: "Error messages don't leak sensitive information",
      failures: config.mcp.expose_tool_errors ? ['mcp.expose_tool_errors shows text of upstreams'] : [],
      passes: 'problems carry a code and a fixed text; stacks, paths and addresses stay in the log',
      pointer: '/mcp/expose_tool_errors',
      mend: 'Set mcp.expose_tool_errors to false.',
    },
  ];
  return drafts.map((draft) => settle('provider', draft));
}

function answerConsumer(loaded: LoadedConfig): ChecklistItem[] {
  const { config } = loaded;
  const keys = config.callers.flatMap(({ api_keys }) =>
    [api_keys?.current, api_keys?.next].filter((key) => key !== undefined),
  );
  const lasting = keys.filter(({ expires_at }) => expires_at === undefined).length;
  const built = (id: string, title: string, passes: string): Draft => ({
    id,
    title,
    passes,
    failures: [],
    pointer: '',
    mend: '',
  });
  const drafts: Draft[] = [
    built(
      'variable-substitution',
      'Variable substitution is sanitized',
      `only ${config.variables.allowed_prefixes.join(', ')} variables, put in by context, once`,
    ),
    built('upstream-certificates', 'SSL certificate verification enabled', 'see certificate-validation'),
    built('connection-timeouts', 'Connection timeouts configured', 'connections 10 s, calls by their tool’s timeout'),
    built(
      'rate-limits-respected',
      'Rate limiting respected',
      'Retry-After of upstreams is honoured within the call’s time',
    ),
    built('consumer-events', 'Security events logged', 'every call leaves one event'),
    {
      ...built(
        'key-rotation',
        'Credentials rotated regularly',
        `${keys.length} configured keys, ${lasting} without an end`,
      ),
      applies: keys.length > 0,
    },
    built(
      'network-monitoring',
      'Network connections monitored',
      'upstream health on the admin listener; failures are events',
    ),
    built(
      'validation-before-calls',
      'Input validation before tool calls',
      'arguments are checked before anything leaves',
    ),
  ];
  return drafts.map((draft) => settle('consumer', draft));
}

function answerProtocols(loaded: LoadedConfig): ChecklistItem[] {
  const { catalog, config } = loaded;
  const of = (...types: string[]) =>
    catalog.tools.filter(({ template }) => types.includes(template.call_template_type));
  const unsandboxed = (tools: readonly Tool[]) =>
    tools.filter((tool) => entryOf(loaded, tool)?.sandbox === 'none').map(({ id }) => `${id} runs without a sandbox`);
  const draft = (
    id: string,
    title: string,
    types: string[],
    passes: string,
    failures: readonly string[] = [],
  ): Draft => {
    const tools = of(...types);
    const applies = tools.length > 0;
    return {
      id,
      title,
      failures,
      passes: applies ? `${tools.length} tools: ${passes}` : 'no such tool',
      applies,
      pointer: '/manuals',
      mend: 'See docs/protocols.',
    };
  };
  const local = of('mcp').filter(({ template }) => !JSON.stringify(template).includes('"url"'));
  const drafts = [
    draft(
      'http',
      'HTTP: HTTPS only, certificate validation',
      ['http', 'streamable_http'],
      'the URL guard runs on every call',
    ),
    draft('websocket', 'WebSocket: WSS only, origin validation', ['websocket'], 'wss or loopback alone'),
    draft(
      'cli',
      'CLI: Sandboxed execution, input sanitization',
      ['cli'],
      'argv arrays in a sandbox',
      unsandboxed(of('cli')),
    ),
    draft('sse', 'SSE: Authenticated connections, event limits', ['sse'], 'bearer credential and max_events'),
    draft('text', 'Text: Path validation, size limits', ['text', 'file'], 'allowed_paths and max_size'),
    draft(
      'mcp',
      'MCP: Trusted servers, resource limits',
      ['mcp'],
      `definitions are pinned${config.mcp.lock_file ? ' in a lock file' : ' in memory'}`,
      unsandboxed(local),
    ),
  ];
  return drafts.map((item) => settle('protocol', item));
}

function plainPublicUrl({ config }: LoadedConfig): string[] {
  const { public_url, host, tls } = config.server;
  if (public_url !== undefined) {
    const { protocol, hostname } = new URL(public_url);
    return protocol === 'https:' || loopback.test(hostname)
      ? []
      : [`server.public_url is ${protocol}// on ${hostname}`];
  }
  return tls || loopback.test(host) ? [] : [`the listener on ${host} has neither TLS nor an https public_url`];
}

function plainUpstreams(loaded: LoadedConfig): string[] {
  return loaded.catalog.tools.flatMap((tool) => {
    const { url } = tool.template;
    if (typeof url !== 'string' || !/^(http|ws):\/\//i.test(url) || !URL.canParse(url)) return [];
    const { hostname } = new URL(url);
    const named = entryOf(loaded, tool)?.allow_private_hosts.includes(hostname) ?? false;
    return named || loopback.test(hostname) ? [] : [`${tool.id} reaches its upstream without TLS`];
  });
}

function hardCodedCredentials(loaded: LoadedConfig): string[] {
  const templates = loaded.catalog.tools
    .filter(({ template }) => holdsLiteralSecret(template.auth))
    .map(({ id }) => id);
  const entries = loaded.config.manuals
    .filter(({ upstream_auth }) => holdsLiteralSecret(upstream_auth))
    .map(({ name }) => name);
  return [...templates, ...entries].map((name) => `${name} has a credential written out`);
}

const secretMembers = ['api_key', 'password', 'client_secret'];

function holdsLiteralSecret(auth: Json | undefined): boolean {
  if (!isJsonObject(auth)) return false;
  return secretMembers.some((member) => {
    const value = auth[member];
    return typeof value === 'string' && value !== '' && !value.includes('${');
  });
}

function takesAnything({ inputs }: Tool): boolean {
  const properties = isJsonObject(inputs.properties) ? Object.keys(inputs.properties) : [];
  const closes =
    inputs.additionalProperties === false || ['allOf', 'anyOf', 'oneOf', '$ref'].some((key) => key in inputs);
  return properties.length === 0 && !closes && inputs.additionalProperties !== undefined;
}

function entryOf(loaded: LoadedConfig, tool: Tool) {
  return loaded.config.manuals.find(({ name }) => name === tool.manual);
}

function describeRate(rate: { per_minute?: number | undefined; per_hour?: number | undefined }): string {
  const parts = [rate.per_minute && `${rate.per_minute} a minute`, rate.per_hour && `${rate.per_hour} an hour`];
  return parts.filter(Boolean).join(', ');
}
