import { type AuthProvider, type JSONRPCMessage, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { GatehouseError } from '../core/index.js';
import type { GuardedFetch } from './egress-connection.js';
import { answerTooLargeCode, streamEndedCode } from './mcp-errors.js';

/** How long the end of a session may take. */
const farewellMs = 1_000;
/** The client reads a response through two more streams; an answer at the very end of one is on its way this long. */
const lastEventMs = 100;

const lf = 0x0a;
const cr = 0x0d;

/** One connection to a streamable HTTP server. */
export interface HttpConnection {
  readonly transport: StreamableHTTPClientTransport;
  /** Ends every connection at once. */
  kill(): void;
  /** Ends the session on the server, as far as it answers within a second, and every connection. */
  close(): Promise<void>;
}

/** What a connection needs to be made. */
export interface HttpConnectionOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxBytes: number;
  readonly guarded: GuardedFetch;
  /** Where the server wants bearer tokens. */
  readonly tokens: AuthProvider | undefined;
}

/**
 * Connects to a streamable HTTP server (MCP 2025-11-25, Transports). Every request goes through the egress guard; an
 * answer or an event over the cap is cut off; a response stream that ends without its answer fails the call at once,
 * where the client by itself would wait until the timeout.
 */
export function openHttpConnection(options: HttpConnectionOptions): HttpConnection {
  const { guarded, maxBytes } = options;
  const waiting = new Set<number>();
  const transport = new StreamableHTTPClientTransport(options.url, {
    requestInit: { headers: options.headers, redirect: 'error' },
    ...(options.tokens && { authProvider: options.tokens }),
    fetch: async (url, init) => {
      const id = readRequestId(init?.body);
      if (id !== undefined) waiting.add(id);
      const response = await guarded.fetch(url, init);
      return boundResponse(response, maxBytes, (tooLarge) => {
        if (id !== undefined) setTimeout(failUnanswered, lastEventMs, id, tooLarge);
      });
    },
    // A stream that broke is not resumed: its call fails, and the next health check finds what a notification would say.
    reconnectionOptions: {
      maxRetries: 0,
      initialReconnectionDelay: 1,
      maxReconnectionDelay: 1,
      reconnectionDelayGrowFactor: 1,
    },
    onInsufficientScope: 'throw',
  });
  const failUnanswered = (id: number, tooLarge: boolean): void => {
    if (!waiting.delete(id)) return;
    const code = tooLarge ? answerTooLargeCode : streamEndedCode;
    transport.onmessage?.({ jsonrpc: '2.0', id, error: { code, message: 'The response stream ended.' } });
  };
  transport.onmessage = (message: JSONRPCMessage) => {
    if (!('method' in message)) waiting.delete(Number(message.id));
  };
  return {
    transport,
    kill: () => void Promise.all([transport.close(), guarded.close()]),
    close: () => closeConnection(transport, guarded),
  };
}

async function closeConnection(transport: StreamableHTTPClientTransport, guarded: GuardedFetch): Promise<void> {
  const timer = setTimeout(() => void guarded.close(), farewellMs);
  // A server that is gone, or that keeps its sessions, changes nothing about the end of the connection.
  await transport.terminateSession().catch(() => undefined);
  clearTimeout(timer);
  await transport.close();
  await guarded.close();
}

function readRequestId(body: unknown): number | undefined {
  if (typeof body !== 'string') return undefined;
  const message: unknown = JSON.parse(body);
  if (typeof message !== 'object' || message === null || !('id' in message) || !('method' in message)) return undefined;
  return typeof message.id === 'number' ? message.id : undefined;
}

/** The same response with a bounded body: the whole of it, or each event of a stream. */
function boundResponse(response: Response, maxBytes: number, onEnd: (tooLarge: boolean) => void): Response {
  if (!response.body) {
    onEnd(false);
    return response;
  }
  const isStream = response.headers.get('content-type')?.toLowerCase().startsWith('text/event-stream') === true;
  const body = boundBody(response.body, isStream ? new EventMeter(maxBytes) : new BodyMeter(maxBytes), onEnd);
  const { status, statusText, headers } = response;
  return new Response(ReadableStream.from(body), { status, statusText, headers });
}

interface Meter {
  /** Counts a chunk and says whether the cap is passed. */
  exceeds(chunk: Uint8Array): boolean;
}

async function* boundBody(
  body: ReadableStream<Uint8Array>,
  meter: Meter,
  onEnd: (tooLarge: boolean) => void,
): AsyncGenerator<Uint8Array> {
  let tooLarge = false;
  try {
    for await (const chunk of body) {
      tooLarge = meter.exceeds(chunk);
      if (tooLarge) throw new GatehouseError('upstream_too_large', { reason: 'answer_too_large' });
      yield chunk;
    }
  } finally {
    onEnd(tooLarge);
  }
}

class BodyMeter implements Meter {
  #bytes = 0;
  constructor(readonly maxBytes: number) {}

  exceeds(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length;
    return this.#bytes > this.maxBytes;
  }
}

/** Counts the bytes since the last blank line, which ends an event (WHATWG HTML, server-sent events). */
class EventMeter implements Meter {
  #eventBytes = 0;
  #lineIsEmpty = true;
  constructor(readonly maxBytes: number) {}

  exceeds(chunk: Uint8Array): boolean {
    let start = 0;
    for (let end = chunk.indexOf(lf); end !== -1; end = chunk.indexOf(lf, start)) {
      this.#count(chunk.subarray(start, end));
      if (this.#eventBytes > this.maxBytes) return true;
      if (this.#lineIsEmpty) this.#eventBytes = 0;
      this.#lineIsEmpty = true;
      start = end + 1;
    }
    this.#count(chunk.subarray(start));
    return this.#eventBytes > this.maxBytes;
  }

  #count(part: Uint8Array): void {
    this.#eventBytes += part.length;
    if (part.length > 1 || (part.length === 1 && part[0] !== cr)) this.#lineIsEmpty = false;
  }
}
