import { isJsonObject, type Json, type Tool, toPointer } from '../core/index.js';
import { findCredentials } from '../manual/index.js';
import { count, type Draft, type Failure, failEach } from './checklist-item.js';
import type { LoadedConfig } from './load.js';

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;
const maxTimeoutMs = 120_000;

/** The guide's Tool Provider checklist, line by line in its order. */
export function answerProvider(loaded: LoadedConfig): readonly Draft[] {
  const { config, catalog } = loaded;
  const { tools } = catalog;
  const { per_caller } = config.limits;
  return [
    answerAuthentication(loaded),
    {
      id: 'https',
      title: 'All tool endpoints use HTTPS/WSS',
      failures: [
        ...plainPublicUrl(loaded),
        ...failEach(findPlainUpstreams(loaded), 'reaches its upstream without TLS'),
      ],
      passes: 'the public URL and every upstream are https, wss, loopback or hosts that allow_private_hosts names',
      pointer: '/server/public_url',
      mend: 'Put TLS in front and set server.public_url to the https URL; use https upstreams.',
    },
    {
      id: 'input-validation',
      title: 'Input validation implemented for all tools',
      failures: failEach(tools.filter(takesAnything), 'accepts any arguments'),
      passes: `every call of ${count(tools.length, 'tool')} is checked against the tool's inputs schema`,
      pointer: '/manuals',
      mend: 'Give the tool inputs with properties, or additionalProperties: false.',
    },
    {
      id: 'rate-limiting',
      title: 'Rate limiting configured per user/tool',
      failures: per_caller.per_minute || per_caller.per_hour ? [] : [{ text: 'limits.per_caller sets no rate' }],
      passes: `per caller ${describeRate(per_caller)}; ${count(Object.keys(config.limits.per_tool).length, 'further limit')} of tools`,
      pointer: '/limits/per_caller',
      mend: 'Set limits.per_caller, for example { per_minute: 60, per_hour: 1000 }.',
    },
    {
      id: 'security-logging',
      title: 'Security logging enabled',
      failures: [],
      passes: `one event a request goes to ${config.security_log.file ?? 'standard output'}`,
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
      failures: failEach(findUnverified(tools), 'has verify_ssl: false'),
      passes: 'every outbound TLS connection checks chain and host name',
      pointer: '/manuals',
      mend: 'Take verify_ssl: false out; name a private authority in tls.ca_file instead.',
    },
    {
      id: 'timeouts',
      title: 'Appropriate timeouts configured',
      failures: failEach(
        tools.filter(({ settings }) => settings.timeout_ms > maxTimeoutMs),
        'may take over two minutes',
      ),
      passes: 'every tool has a timeout of at most two minutes',
      pointer: '/manuals',
      mend: 'Set timeout_ms of the manual or the tool; the official clients wait 30 s.',
    },
    {
      id: 'error-messages',
      title: "Error messages don't leak sensitive information",
      failures: config.mcp.expose_tool_errors ? [{ text: 'mcp.expose_tool_errors shows text of upstreams' }] : [],
      passes: 'problems carry a code and a fixed text; stacks, paths and addresses stay in the log',
      pointer: '/mcp/expose_tool_errors',
      mend: 'Set mcp.expose_tool_errors to false.',
    },
  ];
}

function answerAuthentication({ config }: LoadedConfig): Draft {
  const { callers, auth } = config;
  return {
    id: 'manual-authentication',
    title: 'UTCP manual endpoint requires authentication',
    failures:
      callers.length + auth.jwt.length > 0
        ? []
        : [{ text: 'no caller and no issuer is configured, so nobody can come in' }],
    passes: `${count(callers.length, 'caller')} and ${count(auth.jwt.length, 'JWT issuer')}; every other request is answered 401`,
    pointer: '/callers',
    mend: 'Add a caller: gatehouse keys create.',
  };
}

function plainPublicUrl({ config }: LoadedConfig): readonly Failure[] {
  const { public_url, host, tls } = config.server;
  if (public_url !== undefined) {
    const { protocol, hostname } = new URL(public_url);
    if (protocol === 'https:' || loopback.test(hostname)) return [];
    return [{ text: `server.public_url is ${protocol}// on ${hostname}`, pointer: '/server/public_url' }];
  }
  if (tls || loopback.test(host)) return [];
  const text = `the listener on ${host} has neither TLS nor an https public_url`;
  return [{ text, pointer: '/server/host' }];
}

/** Tools whose upstream is spoken to in plain text, neither on this machine nor on a host that the entry names. */
export function findPlainUpstreams({ catalog, config }: LoadedConfig): readonly Tool[] {
  return catalog.tools.filter((tool) => {
    const { url } = tool.template;
    if (typeof url !== 'string' || !/^(http|ws):\/\//i.test(url) || !URL.canParse(url)) return false;
    const { hostname } = new URL(url);
    const entry = config.manuals.find(({ name }) => name === tool.manual);
    return !loopback.test(hostname) && !entry?.allow_private_hosts.includes(hostname);
  });
}

/** Tools whose template switches the verification of certificates off. */
export function findUnverified(tools: readonly Tool[]): readonly Tool[] {
  return tools.filter(({ template }) => template.verify_ssl === false);
}

function hardCodedCredentials({ catalog, config }: LoadedConfig): readonly Failure[] {
  const tools = catalog.tools.filter(({ template }) => findCredentials(template).length > 0);
  const entries = config.manuals.flatMap(({ name, upstream_auth }, index): readonly Failure[] => {
    if (findCredentials(upstream_auth ?? {}).length === 0) return [];
    const pointer = toPointer('manuals', index, 'upstream_auth');
    return [{ text: `${name} has a credential written out`, pointer }];
  });
  return [...failEach(tools, 'has a credential written out'), ...entries];
}

const composing = ['allOf', 'anyOf', 'oneOf', '$ref', 'enum', 'const', 'not', 'patternProperties', 'required'];

/** Says whether a tool's inputs judge nothing: no property is declared, and none is refused. */
function takesAnything({ inputs }: Tool): boolean {
  if (composing.some((key) => key in inputs)) return false;
  const { properties, additionalProperties: more, unevaluatedProperties: rest } = inputs;
  const declared = isJsonObject(properties) ? Object.keys(properties).length : 0;
  if (declared > 0 || isNarrow(more) || isNarrow(rest)) return false;
  // MCP servers write an empty `properties` for a tool without arguments.
  return properties === undefined || more !== undefined;
}

function isNarrow(schema: Json | undefined): boolean {
  return schema === false || (isJsonObject(schema) && Object.keys(schema).length > 0);
}

function describeRate(rate: { per_minute?: number | undefined; per_hour?: number | undefined }): string {
  const parts = [rate.per_minute && `${rate.per_minute} a minute`, rate.per_hour && `${rate.per_hour} an hour`];
  return parts.filter(Boolean).join(', ');
}
