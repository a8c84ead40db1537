import { isIP } from 'node:net';
import { GatehouseError, LoadError } from '../core/index.js';
import { classifyAddress } from './egress-address.js';
import type { ToolBinding } from './protocol.js';
import { resolveTlsProfile, type TlsProfile } from './tls.js';

/** Why the guard refuses a URL or an address; the `reason` of the error and of the security event. */
export type EgressProblem =
  | 'url_malformed'
  | 'url_scheme'
  | 'url_plain_text'
  | 'url_userinfo'
  | 'address_private'
  | 'address_special';

const advice: Record<EgressProblem, { message: string; mend: string }> = {
  url_malformed: { message: 'The URL cannot be parsed.', mend: 'Write an absolute URL.' },
  url_scheme: { message: 'The URL has a scheme that this protocol does not speak.', mend: 'Use https (or wss).' },
  url_plain_text: {
    message: 'The URL sends calls and credentials in plain text.',
    mend: 'Use https (or wss), or name the host in allow_private_hosts.',
  },
  url_userinfo: {
    message: 'The URL carries a user name or password.',
    mend: 'Take it out and use auth with auth_type basic.',
  },
  address_private: {
    message: 'The URL leads to a private or loopback address.',
    mend: 'Name the host in allow_private_hosts if this upstream is meant.',
  },
  address_special: {
    message: 'The URL leads to a link-local, metadata, multicast or reserved address.',
    mend: 'Name the address itself in allow_private_hosts if this upstream is meant.',
  },
};

/** Which schemes a protocol speaks. */
export type UrlKind = 'http' | 'ws';
const schemes = {
  http: { secure: 'https:', plain: 'http:' },
  ws: { secure: 'wss:', plain: 'ws:' },
} as const satisfies Record<UrlKind, { secure: string; plain: string }>;

/** Which hosts may stand on private addresses and be spoken to in plain text. Immutable. */
export class EgressPolicy {
  readonly #named: ReadonlySet<string>;
  /** Equal for equal policies, whatever the order of the hosts; for sharing connections. */
  readonly key: string;

  /** `hosts` are names or addresses without ports; throws LoadError for what is neither. */
  constructor(hosts: readonly string[]) {
    this.#named = new Set(hosts.map(normaliseHost));
    this.key = [...this.#named].sort().join(',');
  }

  /** Whether the configuration names this host; compared whole, in the form that the URL parser gives it. */
  names(hostname: string): boolean {
    return this.#named.has(stripBrackets(hostname));
  }

  /** What speaks against connecting to `address` for a URL whose host is `hostname`; undefined: nothing. */
  judgeAddress(hostname: string, address: string): EgressProblem | undefined {
    const kind = classifyAddress(address);
    if (kind === 'public') return undefined;
    const named = this.names(hostname);
    if (kind === 'private') return named ? undefined : 'address_private';
    return named && stripBrackets(hostname) === address ? undefined : 'address_special';
  }
}

/** A URL's host without the brackets of an IPv6 literal. */
export function stripBrackets(hostname: string): string {
  return hostname.startsWith('[') && hostname.endsWith(']') ? hostname.slice(1, -1) : hostname;
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

// A port, a range or a wildcard would look as if it meant something and never match.
function normaliseHost(host: string): string {
  const bare = stripBrackets(host);
  const text = isIP(bare) === 6 ? `[${bare}]` : bare;
  const url = isIP(bare) !== 6 && /[^\p{L}\p{M}\p{N}._-]/u.test(bare) ? undefined : parseUrl(`http://${text}/`);
  if (url) return stripBrackets(url.hostname);
  throw LoadError.of({
    rule: 'private-host-invalid',
    pointer: '',
    message: `allow_private_hosts: ${host} is not a host name or an address.`,
    mend: 'Write a name or an address, without scheme, port, wildcard or range.',
  });
}

/** What speaks against a parsed URL; undefined: nothing. Names are checked again when they are resolved. */
export function judgeUrl(url: URL, policy: EgressPolicy, kind: UrlKind = 'http'): EgressProblem | undefined {
  const { secure, plain } = schemes[kind];
  if (url.protocol !== secure && url.protocol !== plain) return 'url_scheme';
  if (url.username !== '' || url.password !== '') return 'url_userinfo';
  const host = stripBrackets(url.hostname);
  const problem = judgeHost(host, policy);
  if (problem) return problem;
  return url.protocol === plain && !policy.names(host) ? 'url_plain_text' : undefined;
}

// RFC 6761 section 6.3: names under localhost are loopback, so they are refused before anything is resolved.
const localName = /(^|\.)localhost\.?$/;

function judgeHost(host: string, policy: EgressPolicy): EgressProblem | undefined {
  if (isIP(host) !== 0) return policy.judgeAddress(host, host);
  return localName.test(host) && !policy.names(host) ? 'address_private' : undefined;
}

/**
 * Checks the final URL of a call (CVE-2026-44661: a check at discovery alone is none). Throws GatehouseError
 * `upstream_failed` whose reason is the problem; nothing of the URL is in the error.
 */
export function checkUrl(url: URL, policy: EgressPolicy, kind: UrlKind = 'http'): void {
  const problem = judgeUrl(url, policy, kind);
  if (problem) throw refuseEgress(problem);
}

/** Checks an authored URL at load; throws LoadError that says what is wrong and how to mend it. */
export function checkUrlAtLoad(
  text: string,
  policy: EgressPolicy,
  place: { readonly file: string; readonly pointer: string },
  kind: UrlKind = 'http',
): URL {
  const url = parseUrl(text);
  const problem = url ? judgeUrl(url, policy, kind) : 'url_malformed';
  if (url && !problem) return url;
  const { message, mend } = advice[problem ?? 'url_malformed'];
  throw LoadError.of({ rule: 'egress-refused', file: place.file, pointer: place.pointer, message, mend });
}

/** The error of a refused URL or address. */
export function refuseEgress(problem: EgressProblem): GatehouseError {
  return new GatehouseError('upstream_failed', { reason: problem, internal: advice[problem].message });
}

/** An upstream that the guard has passed at load: where its templates may connect, and how. */
export interface GuardedUpstream {
  readonly url: URL;
  readonly policy: EgressPolicy;
  readonly tls: TlsProfile;
}

const announced = new WeakMap<object, Set<string>>();

/**
 * Checks a template's URL at load and gives what its connections are made with. A private host that the configuration
 * allows is said in a notice, once for each manual. Throws LoadError.
 */
export function bindUpstream(
  text: string,
  template: { readonly kind: UrlKind; readonly verify_ssl: boolean; readonly pointer: string },
  binding: ToolBinding,
): GuardedUpstream {
  const policy = new EgressPolicy(binding.settings.allow_private_hosts);
  const url = checkUrlAtLoad(text, policy, { file: binding.file, pointer: template.pointer }, template.kind);
  const host = stripBrackets(url.hostname);
  if (policy.names(host)) announcePrivateHost(host, template.pointer, binding);
  return { url, policy, tls: resolveTlsProfile(host, template.verify_ssl, binding) };
}

function announcePrivateHost(host: string, pointer: string, binding: ToolBinding): void {
  const hosts = announced.get(binding.settings) ?? new Set();
  if (hosts.has(host)) return;
  announced.set(binding.settings, hosts.add(host));
  binding.notice({
    rule: 'private-host-allowed',
    severity: 'info',
    file: binding.file,
    pointer,
    message: `${host} may be private, loopback or plain http, since allow_private_hosts names it.`,
    mend: 'Take it out of allow_private_hosts if no tool needs it.',
  });
}
