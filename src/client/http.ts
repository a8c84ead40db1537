import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type Dispatcher, request } from 'undici';
import { GatehouseError, type UpstreamAnswer } from '../core/index.js';
import { checkUrl, type EgressPolicy } from '../protocols/egress.js';
import { createGuardedDispatcher } from '../protocols/egress-connection.js';
import type { TlsProfile } from '../protocols/tls.js';
import { fromGatehouseError, TransportError, UpstreamError } from './errors.js';

/** An answer to one of the client's own requests: the manual, the keys, a token. */
export interface HttpAnswer {
  readonly status: number;
  /** A field of the answer's head, by its name in lower case. */
  header(name: string): string | undefined;
  readonly body: Buffer;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpLimits {
  /** Whole milliseconds for the request and all of its answer. */
  readonly timeout_ms: number;
  /** Bytes that an answer may have, once decompressed. */
  readonly max_bytes: number;
}

const decompress = promisify(gunzip);

/** The client's own connections: guarded like every other outbound one, no redirect followed. */
export class HttpFetcher {
  readonly #dispatcher: Dispatcher;
  readonly #policy: EgressPolicy;
  readonly #limits: HttpLimits;

  constructor(policy: EgressPolicy, tls: TlsProfile, limits: HttpLimits) {
    this.#policy = policy;
    this.#limits = limits;
    this.#dispatcher = createGuardedDispatcher({ policy, tls });
  }

  /** Sends a request and reads the whole answer. Throws TransportError when none comes, UpstreamError when it is too large. */
  async fetch(url: URL, { method, headers, body }: HttpRequest): Promise<HttpAnswer> {
    try {
      checkUrl(url, this.#policy);
      const answer = await request(url, {
        dispatcher: this.#dispatcher,
        method,
        headers: { accept: 'application/json', 'accept-encoding': 'gzip', ...headers },
        body: body ?? null,
        signal: AbortSignal.timeout(this.#limits.timeout_ms),
      });
      const header = (name: string) => {
        const value = answer.headers[name];
        return Array.isArray(value) ? value.join(', ') : value;
      };
      const bytes = await this.#readBody(answer.body, header('content-encoding'));
      return { status: answer.statusCode, header, body: bytes };
    } catch (error) {
      throw describeFailure(error);
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #readBody(body: AsyncIterable<Buffer>, coding: string | undefined): Promise<Buffer> {
    const limit = this.#limits.max_bytes;
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      if (size > limit) throw tooLarge();
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    return coding === 'gzip' ? inflate(bytes, limit) : bytes;
  }
}

/** An answer that was no success, as the problem reader takes it. */
export function asUpstreamAnswer(answer: HttpAnswer): UpstreamAnswer {
  return {
    status: answer.status,
    content_type: answer.header('content-type'),
    retry_after: answer.header('retry-after'),
    body: answer.body,
  };
}

async function inflate(bytes: Buffer, limit: number): Promise<Buffer> {
  try {
    return await decompress(bytes, { maxOutputLength: limit });
  } catch {
    // Either over the limit, which is how a compression bomb shows itself, or no gzip at all.
    throw tooLarge();
  }
}

function tooLarge(): UpstreamError {
  return new UpstreamError('Upstream answer too large or not readable', { code: 'upstream_too_large' });
}

function describeFailure(error: unknown): Error {
  if (error instanceof UpstreamError) return error;
  if (error instanceof GatehouseError) return fromGatehouseError(error);
  if (!(error instanceof Error)) return new TransportError('No answer', { code: 'transport', cause: error });
  if (error.cause instanceof GatehouseError) return fromGatehouseError(error.cause);
  const timedOut = error.name === 'TimeoutError';
  const reason = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
  const message = timedOut ? 'No answer in time' : `No answer: ${reason}`;
  return new TransportError(message, { code: timedOut ? 'upstream_timeout' : 'transport', cause: error });
}
