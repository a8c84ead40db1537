import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction, Socket } from 'node:net';
import {
  Agent,
  buildConnector,
  type Dispatcher,
  errors,
  type RequestInit as UndiciRequestInit,
  fetch as undiciFetch,
} from 'undici';
import { checkUrl, type EgressPolicy, refuseEgress, stripBrackets } from './egress.js';
import type { TlsProfile } from './tls.js';
import { keepEndBack } from './upstream-end.js';
import { UpstreamSocket } from './upstream-socket.js';

/** Milliseconds until a TCP and TLS connection must stand. */
const connectTimeoutMs = 10_000;
/** Milliseconds of silence after which the kernel asks whether the other side is still there. */
const keepAliveDelayMs = 60_000;

/** What resolves a name to every address; `dns.lookup` in life, a test's own where DNS rebinding is played. */
export type ResolveAll = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A `lookup` for net, tls, http and ws that hands out checked addresses alone: the address that passed is the one that
 * is connected to, so a name that answers differently the second time gains nothing. One refused address refuses the
 * name. Not asked for address literals: `judgeUrl` and the guarded connector check those.
 */
export function guardedLookup(policy: EgressPolicy, resolve: ResolveAll = systemLookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      for (const { address } of addresses) {
        const problem = policy.judgeAddress(hostname, address);
        if (problem) return callback(refuseEgress(problem), []);
      }
      const first = addresses[0];
      if (options.all || !first) return callback(null, addresses);
      callback(null, first.address, first.family);
    });
  };
}

/** What a guarded connection is made with. */
export interface GuardOptions {
  readonly policy: EgressPolicy;
  readonly tls: TlsProfile;
  readonly resolve?: ResolveAll;
}

/**
 * An undici connector that connects to checked addresses alone, over TLS contexts of `tls.ts` alone. Gives the socket that
 * is being connected, for who must end it before the connect timeout does.
 */
export function createGuardedConnector(options: GuardOptions) {
  const lookup = guardedLookup(options.policy, options.resolve);
  const connectSecurely = buildConnector({ ...options.tls.options, lookup, timeout: connectTimeoutMs });
  const connectDirectly = connectPlainly(lookup);
  return (target: buildConnector.Options, callback: buildConnector.Callback): Socket | undefined => {
    const host = stripBrackets(target.hostname);
    const problem = isIP(host) === 0 ? undefined : options.policy.judgeAddress(host, host);
    if (problem) {
      callback(refuseEgress(problem), null);
      return undefined;
    }
    const connect = target.protocol === 'https:' ? connectSecurely : connectDirectly;
    // The connector gives its socket back, which its type leaves out.
    const socket: unknown = connect(target, (...outcome) => {
      if (outcome[1]) keepEndBack(outcome[1]);
      callback(...outcome);
    });
    return socket instanceof Socket ? socket : undefined;
  };
}

/** undici's own connector as far as it concerns connections without TLS, for sockets of a class of our own. */
function connectPlainly(lookup: LookupFunction) {
  return ({ hostname, port }: buildConnector.Options, callback: buildConnector.Callback): Socket => {
    const socket = new UpstreamSocket();
    const timer = setTimeout(() => socket.destroy(new errors.ConnectTimeoutError()), connectTimeoutMs);
    const forget = () => clearTimeout(timer);
    const settle = (error: Error | null) => {
      forget();
      socket.off('error', settle).off('connect', succeed);
      if (error) callback(error, null);
      else callback(null, socket);
    };
    const succeed = () => settle(null);
    socket.setNoDelay(true).setKeepAlive(true, keepAliveDelayMs).once('connect', succeed).once('error', settle);
    socket.once('close', forget);
    return socket.connect({ host: hostname, port: Number(port) || 80, lookup });
  };
}

/** `fetch` behind the guard, for libraries that take one (the MCP client, JWKS). */
export interface GuardedFetch {
  /** Checks the URL of every request, sends text bodies alone, never follows a redirect (GHSA-9qhg-99ww-9mqc). */
  fetch(input: string | URL, init?: RequestInit): Promise<Response>;
  /** Ends its connections. */
  close(): Promise<void>;
}

/** A `fetch` whose every connection goes through the guard; callers close it. */
export function createGuardedFetch(options: GuardOptions): GuardedFetch {
  const dispatcher = createGuardedDispatcher(options);
  return {
    async fetch(input, init = {}) {
      const url = new URL(input);
      checkUrl(url, options.policy);
      return undiciFetch(url, { ...narrowInit(init), redirect: 'error', dispatcher });
    },
    close: () => dispatcher.destroy(),
  };
}

// The runtime's types and undici's own differ for bodies; texts are all that is ever sent this way.
function narrowInit(init: RequestInit): UndiciRequestInit {
  const { method = 'GET', headers, body, signal } = init;
  if (body != null && typeof body !== 'string' && !(body instanceof URLSearchParams)) {
    throw new TypeError('A guarded fetch sends a string or URLSearchParams.');
  }
  return { method, body: body ?? null, signal: signal ?? null, headers: [...new Headers(headers)] };
}

/** A dispatcher for undici's own `fetch` and `request`; the URL itself is for the caller to check with `checkUrl`. */
function createGuardedDispatcher(options: GuardOptions): Dispatcher {
  return new Agent({ connect: createGuardedConnector(options) });
}
