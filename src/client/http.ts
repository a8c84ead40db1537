import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { CallScope, type UpstreamAnswer } from '../core/index.js';
import { checkUrl, type EgressPolicy, type GuardedUpstream } from '../protocols/egress.js';
import { CallDeadline } from '../protocols/http-deadline.js';
import { Exchange } from '../protocols/http-exchange.js';
import { describeFault } from '../protocols/http-fault.js';
import { type UpstreamOrigin, UpstreamOrigins } from '../protocols/http-origin.js';
import type { TlsProfile } from '../protocols/tls.js';
import { toToolError, UpstreamError } from './errors.js';

/** An answer to one of the client's own requests: the manual, a signature, the keys. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface HttpLimits {
  /** Whole milliseconds for a request and all of its answer. */
  readonly timeout_ms: number;
  /** Bytes that an answer may have, once decompressed. */
  readonly max_bytes: number;
}

const decompress = promisify(gunzip);

/** The client's own requests, on connections guarded like every other outbound one; no redirect is followed. */
export class HttpFetcher {
  readonly #origins = new UpstreamOrigins({ report: () => undefined });
  readonly #policy: EgressPolicy;
  readonly #tls: TlsProfile;
  readonly #limits: HttpLimits;

  constructor(policy: EgressPolicy, tls: TlsProfile, limits: HttpLimits) {
    this.#policy = policy;
    this.#tls = tls;
    this.#limits = limits;
  }

  /** A URL with what its connections are made with. */
  guard(url: URL): GuardedUpstream {
    return { url, policy: this.#policy, tls: this.#tls };
  }

  /** The connections to a URL's origin. Throws GatehouseError when the guard refuses the URL. */
  connect(url: URL): UpstreamOrigin {
    checkUrl(url, this.#policy);
    return this.#origins.get(this.guard(url));
  }

  /** Gets a URL and reads the whole answer. Throws TransportError when none comes, UpstreamError when it is too large. */
  async get(url: URL, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    const { timeout_ms, max_bytes } = this.#limits;
    const deadline = new CallDeadline(new CallScope(randomUUID(), timeout_ms, 'client'), timeout_ms);
    const request = {
      path: url.pathname + url.search,
      method: 'GET',
      headers: { accept: 'application/json', 'accept-encoding': 'gzip', 'user-agent': 'utcp-gatehouse', ...headers },
    } as const;
    try {
      const answer = await Exchange.send(this.connect(url).calls, request, max_bytes, deadline);
      if (answer.failure) throw answer.failure;
      const body = answer.headers['content-encoding'] === 'gzip' ? await inflate(answer.body, max_bytes) : answer.body;
      return { status: answer.status, headers: answer.headers, body };
    } catch (error) {
      throw error instanceof UpstreamError ? error : toToolError(describeFault(error));
    } finally {
      deadline.release();
    }
  }

  /** Ends its connections. */
  async close(): Promise<void> {
    await this.#origins.close();
  }
}

/** An answer that was no success, as the problem reader takes it. */
export function asUpstreamAnswer({ status, headers, body }: HttpAnswer): UpstreamAnswer {
  return { status, content_type: headers['content-type'], retry_after: headers['retry-after'], body };
}

async function inflate(bytes: Buffer, limit: number): Promise<Buffer> {
  try {
    return await decompress(bytes, { maxOutputLength: limit });
  } catch (error) {
    // Over the limit, which is how a compression bomb shows itself, or no gzip at all.
    throw new UpstreamError('Upstream answer too large or not readable', { code: 'upstream_too_large', cause: error });
  }
}
