/**
 * Every way in which Gatehouse refuses or fails a request. The code is stable (docs/errors.md has a section for each);
 * the title is what a person and the reference client's typed errors show.
 */
export const errorKinds = {
  unauthenticated: { status: 401, title: 'Authentication required' },
  invalid_token: { status: 401, title: 'Invalid credential' },
  invalid_client: { status: 401, title: 'Invalid client' },
  insufficient_scope: { status: 403, title: 'Insufficient scope' },
  not_permitted: { status: 403, title: 'Not permitted' },
  caller_blocked: { status: 403, title: 'Caller blocked' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  invalid_input: { status: 400, title: 'Invalid input' },
  malformed_body: { status: 400, title: 'Malformed body' },
  malformed_request: { status: 400, title: 'Malformed request' },
  path_not_allowed: { status: 400, title: 'Path not allowed' },
  body_too_large: { status: 413, title: 'Body too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  request_timeout: { status: 408, title: 'Request timed out' },
  headers_too_large: { status: 431, title: 'Headers too large' },
  rate_limited: { status: 429, title: 'Rate limit exceeded' },
  upstream_failed: { status: 502, title: 'Upstream failed' },
  upstream_invalid: { status: 502, title: 'Upstream answer invalid' },
  upstream_too_large: { status: 502, title: 'Upstream answer too large' },
  upstream_unavailable: { status: 503, title: 'Upstream unavailable' },
  upstream_timeout: { status: 504, title: 'Upstream timed out' },
  draining: { status: 503, title: 'Shutting down' },
  overloaded: { status: 503, title: 'Overloaded' },
  client_aborted: { status: 499, title: 'Client went away' },
  internal: { status: 500, title: 'Internal error' },
} as const satisfies Record<string, { status: number; title: string }>;

/** A code of docs/errors.md. */
export type ErrorCode = keyof typeof errorKinds;

/** One argument that does not fit, by JSON pointer (RFC 6901) into the arguments. */
export interface InputError {
  readonly pointer: string;
  readonly message: string;
}

/** What an error says beside its code, and to whom. */
export interface ErrorDetails {
  /** Shown to the caller. Never a path, an upstream address, a variable's value or a secret. */
  readonly detail?: string;
  /** For the operator's log alone; never served. */
  readonly internal?: string;
  /** The security event's reason; the code when absent. */
  readonly reason?: string;
  readonly errors?: readonly InputError[];
  /** Whole seconds until another try may succeed. */
  readonly retry_after?: number;
  readonly required_scope?: string;
  /**
   * All scopes that the request needs, for the challenge (RFC 6750 section 3): a client that asks for the missing one alone
   * loses the others.
   */
  readonly needed_scopes?: readonly string[];
  /** The status that a routed tool's upstream answered with, where it answered. */
  readonly upstream_status?: number;
  /** What it answered. The reference client reads a provider's problem document here; the server never serves it. */
  readonly upstream_answer?: UpstreamAnswer;
  /** Methods for the `Allow` header of a 405. */
  readonly allow?: readonly string[];
  readonly cause?: unknown;
}

/** An upstream's answer that was no success: enough to read a problem document (RFC 9457) and when to try again. */
export interface UpstreamAnswer {
  readonly status: number;
  readonly content_type: string | undefined;
  /** The `Retry-After` field as it came (RFC 9110 section 10.2.3). */
  readonly retry_after: string | undefined;
  /** At most 64 KiB of it. */
  readonly body: Buffer;
}

/** A refusal or failure with a code from the closed list; routes/errors.ts turns it into problem+json (RFC 9457). */
export class GatehouseError extends Error {
  override readonly name = 'GatehouseError';
  readonly status: number;
  readonly title: string;

  constructor(
    readonly code: ErrorCode,
    readonly details: ErrorDetails = {},
  ) {
    super(details.internal ?? details.detail ?? errorKinds[code].title, { cause: details.cause });
    this.status = errorKinds[code].status;
    this.title = errorKinds[code].title;
  }

  /** The reason code that the security event carries. */
  get reason(): string {
    return this.details.reason ?? this.code;
  }
}

/** The system's code of an error, such as `ENOENT`; undefined where it has none. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
