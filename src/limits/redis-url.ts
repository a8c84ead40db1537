import { LoadError } from '../core/index.js';

export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, taken from its URL. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** The server, the sentinels, or some nodes of the cluster. */
  readonly hosts: readonly RedisHost[];
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Sentinel only: what the master is called. */
  readonly master: string | undefined;
  readonly db: number;
}

const form = /^redis(s)?(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#]+)((?:\/[^/?#]*)*)$/;
const hostForm = /^(\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i;
const defaultPorts = { single: 6379, sentinel: 26_379, cluster: 6379 };

/**
 * Reads `redis://user:password@host:port/db`, `redis+sentinel://host:port,host:port/master/db` or
 * `redis+cluster://host:port,host:port`; `rediss` in place of `redis` means TLS.
 *
 * @throws LoadError which doesn't quote the URL, since it may hold a password
 */
export function parseRedisUrl(url: string): RedisAddress {
  const [, secure, mode, credentials, hosts = '', path = ''] = form.exec(url) ?? [];
  const kind = mode === 'sentinel' || mode === 'cluster' ? mode : 'single';
  const parts = path.split('/').filter(Boolean);
  const master = kind === 'sentinel' ? parts.shift() : undefined;
  const db = Number(parts.shift() ?? '0');
  const parsed = hosts.split(',').map((host) => parseHost(host, defaultPorts[kind]));
  const known = parsed.filter((host) => host !== undefined);
  const badPath = parts.length > 0 || !Number.isInteger(db) || (kind === 'cluster' && db !== 0);
  const missing = kind === 'sentinel' && master === undefined;
  if (known.length !== parsed.length || badPath || missing || (kind === 'single' && known.length > 1)) throw refuse();
  const [username, password] = (credentials ?? '').split(/:(.*)/, 2).map(decode);
  return { kind, hosts: known, tls: secure === 's', username: username || undefined, password, master, db };
}

function parseHost(text: string, defaultPort: number): RedisHost | undefined {
  const [, host, port] = hostForm.exec(text) ?? [];
  if (!host || Number(port ?? defaultPort) > 65_535) return undefined;
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? defaultPort) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse();
  }
}

function refuse(): LoadError {
  return LoadError.of({
    rule: 'state-redis-url',
    pointer: '/state/redis_url_variable',
    message: 'The Redis URL in this variable is of no known form.',
    mend: 'Write redis://host:port/db, redis+sentinel://host:port,host:port/master or redis+cluster://host:port,host:port.',
  });
}
