import { ToolError } from './errors.js';
import type { ClientOptions } from './options.js';

/** Where a provider's things are, from the URL of its manual. */
export interface Provider {
  readonly manualUrl: URL;
  /** The manual's URL without query and fragment: names the provider in the pin file. */
  readonly id: string;
  readonly origin: string;
  readonly tokenUrl: URL;
  readonly keysUrl: URL;
  /** What the provider is called: its manual's name, or the host's. */
  readonly name: string;
  /** Variables' namespace, underscores doubled already; empty for none. */
  readonly namespace: string;
  /** The provider's own host, where the URL alone says that it may be private or plain http. */
  readonly trustedHosts: readonly string[];
}

/** Reads the manual's URL. Throws ToolError `invalid_url` for one that is no http URL. */
export function locateProvider(options: ClientOptions): Provider {
  const { url, name } = options;
  if (!URL.canParse(url)) throw invalidUrl('it is not an absolute URL');
  const manualUrl = new URL(url);
  if (manualUrl.protocol !== 'https:' && manualUrl.protocol !== 'http:') throw invalidUrl('it is not an http URL');
  if (manualUrl.username !== '' || manualUrl.password !== '') throw invalidUrl('it carries a credential');
  manualUrl.hash = '';
  // A bare origin means the endpoint that UTCP names.
  if (manualUrl.pathname === '/') manualUrl.pathname = '/utcp';
  // Gatehouse serves `/utcp` and `/utcp/{manual}`, perhaps behind a prefix of the path.
  const [, prefix = '', manual = ''] = /^(.*)\/utcp(?:\/([^/]+))?\/?$/.exec(manualUrl.pathname) ?? [];
  const at = (path: string) => new URL(`${prefix}${path}`, manualUrl.origin);
  return {
    manualUrl,
    id: `${manualUrl.origin}${manualUrl.pathname}`,
    origin: manualUrl.origin,
    tokenUrl: at('/oauth/token'),
    keysUrl: at('/.well-known/jwks.json'),
    name: (name ?? (manual || manualUrl.hostname)).replace(/\W/g, '_'),
    namespace: (name ?? manual).replace(/\W/g, '_').replaceAll('_', '__'),
    trustedHosts: mayBePrivate(manualUrl) ? [manualUrl.hostname] : [],
  };
}

// Whoever names an https URL on an internal host means it; plain http is for this machine alone, as in every UTCP
// client, unless allow_private_hosts says more.
function mayBePrivate(url: URL): boolean {
  return url.protocol === 'https:' || isLoopback(url.hostname);
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '127.0.0.1' || hostname === '[::1]';
}

/** Whether a template's URL stays on the provider's origin, whatever is put into it. */
export function isAtProvider(provider: Provider, templateUrl: unknown): boolean {
  return readBase(templateUrl)?.origin === provider.origin;
}

/**
 * Whether a template leaves TLS for plain text on the provider's own host. That host may be private because its https
 * URL was given, which says nothing of plain http.
 */
export function leavesTls({ manualUrl }: Provider, templateUrl: unknown): boolean {
  const base = readBase(templateUrl);
  const isPlain = base?.protocol === 'http:' || base?.protocol === 'ws:';
  return (
    isPlain && manualUrl.protocol === 'https:' && base.hostname === manualUrl.hostname && !isLoopback(base.hostname)
  );
}

// Scheme, host and port; undefined where a placeholder or a backslash could move their end.
function readBase(templateUrl: unknown): URL | undefined {
  if (typeof templateUrl !== 'string') return undefined;
  const [base = ''] = /^[^/?#]*(?:\/\/[^/?#]*)?/.exec(templateUrl) ?? [];
  return !/[${}\\]/.test(base) && URL.canParse(base) ? new URL(base) : undefined;
}

function invalidUrl(problem: string): ToolError {
  return new ToolError(`Invalid URL: ${problem}`, { code: 'invalid_url' });
}
