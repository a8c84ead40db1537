import type { JsonObject } from '../core/index.js';
import type { CallTemplateType } from '../protocols/protocol.js';

/** How the client proves who it is; sent to the provider's own origin alone. */
export type Credential =
  /** Sent as `X-API-Key`. */
  | { readonly api_key: string }
  /** An API key or a token, sent as `Authorization: Bearer`. */
  | { readonly bearer: string }
  /** The client credentials grant (RFC 6749 section 4.4); tokens are kept and renewed. */
  | { readonly oauth2: OAuth2Credential };

/** An OAuth client that this program is at the provider. */
export interface OAuth2Credential {
  readonly client_id: string;
  readonly client_secret: string;
  /** Default: `oauth/token` beside the manual. Never taken from a manual (GHSA-8cp3-qxj6-px34). */
  readonly token_url?: string;
  readonly scope?: string;
}

/** Which provider a client is of, how it proves who it is, and what it trusts. */
export interface ClientOptions {
  /** Where the manual is: `https://tools.example.com/utcp`, or `/utcp/{manual}`, or a static manual; of a bare origin, its `/utcp`. */
  readonly url: string;
  readonly credential?: Credential;
  /**
   * The namespace of variables: `${TOKEN}` of a manual called `my_books` is looked up as `my__books_TOKEN`, then as
   * `TOKEN`. Default: the manual in the URL, else none.
   */
  readonly name?: string;
  /** Values for `${NAME}` in the templates of direct tools. Nothing else is read, the environment least of all. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Whole milliseconds for one call or discovery, retries included. Default 30,000. */
  readonly timeout_ms?: number;
  /** How often an idempotent call is tried again. Default 2. */
  readonly retries?: number;
  /** The longest `Retry-After` in whole milliseconds that is waited for; a longer one is thrown. Default 5,000. */
  readonly max_wait_ms?: number;
  /** PEM file with the only authorities that are trusted; default: the built-in ones. */
  readonly ca_file?: string;
  /** Client certificate and key in PEM, for mutual TLS. */
  readonly cert_file?: string;
  readonly key_file?: string;
  /** Hosts beside the provider's that may be private, loopback or plain http. */
  readonly allow_private_hosts?: readonly string[];
  /** Protocols whose tools may be called. Default: http, sse, streamable_http, websocket; none that touches this machine. */
  readonly allowed_protocols?: readonly CallTemplateType[];
  /** For `cli` and stdio `mcp` tools, where allowed: whether they must run in the sandbox. Default `required`. */
  readonly sandbox?: 'required' | 'none';
  /** Bytes that one answer may have. Default 10 MiB. */
  readonly max_response_bytes?: number;
  /** JSON file that keeps what was accepted of each provider; default: for the life of this client alone. */
  readonly pin_file?: string;
  /** Public keys (JWK) that sign the provider's manuals, learnt elsewhere: the first use then needs no trust. */
  readonly provider_keys?: readonly JsonObject[];
  /** A tool never seen before is pinned at first sight (`pin`, the default), or refused like a changed one. */
  readonly new_tools?: 'pin' | 'refuse';
  /** The digest of a changed manual that is accepted beforehand, as ManualChangedError told it. */
  readonly accept?: string;
}

/** Which tools a search asks for. */
export interface SearchOptions {
  /** Only tools with this tag. */
  readonly tag?: string;
  /** At most this many. */
  readonly limit?: number;
}

/** What one call may have of its own. */
export interface CallOptions {
  /** Ends the call when it is aborted. */
  readonly signal?: AbortSignal;
  /** Whole milliseconds, instead of the client's own for a call or 300,000 for a stream. */
  readonly timeout_ms?: number;
}

/** One element of a stream. */
export interface StreamChunk {
  /** A JSON value, or bytes where the provider streams bytes. */
  readonly data: unknown;
  /** Server-sent events: the event's name and id. */
  readonly event?: string;
  readonly id?: string;
}

export const defaults = {
  timeout_ms: 30_000,
  stream_timeout_ms: 300_000,
  retries: 2,
  max_wait_ms: 5_000,
  max_response_bytes: 10_485_760,
  max_manual_bytes: 67_108_864,
  allowed_protocols: ['http', 'sse', 'streamable_http', 'websocket'],
} as const satisfies Partial<ClientOptions> & Record<'stream_timeout_ms' | 'max_manual_bytes', number>;
