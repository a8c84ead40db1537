import { GatehouseError, type InputError, LoadError } from '../core/index.js';
import { describeProblem, type Problem, readProblem } from './problem.js';

/** What every error of the client tells beside its message. */
export interface ToolErrorDetails {
  /** The provider's code (docs/errors.md) or one of the client's own. */
  readonly code: string;
  /** The HTTP status, where the provider answered. */
  readonly status?: number;
  /** The provider's id of the request, for its log. */
  readonly request_id?: string;
  /** The arguments that do not fit, by JSON pointer. */
  readonly errors?: readonly InputError[];
  /** Whole seconds until another try may succeed. */
  readonly retry_after?: number;
  readonly required_scope?: string;
  readonly cause?: unknown;
}

/**
 * A discovery or call that failed. The message begins with the problem's title (`Invalid input`, `Path not allowed`,
 * `Rate limit exceeded`, …); the class says what to do about it.
 */
export class ToolError extends Error {
  override readonly name: string = 'ToolError';

  constructor(
    message: string,
    readonly details: ToolErrorDetails,
  ) {
    super(message, { cause: details.cause });
  }

  get code(): string {
    return this.details.code;
  }

  get status(): number | undefined {
    return this.details.status;
  }
}

/** The arguments do not fit the tool's inputs schema: found here before sending, or by the provider. */
export class InvalidInputError extends ToolError {
  override readonly name = 'InvalidInputError';

  /** Each argument that does not fit. */
  get errors(): readonly InputError[] {
    return this.details.errors ?? [];
  }
}

/** A path argument leads outside the directories that the tool may read. */
export class PathNotAllowedError extends ToolError {
  override readonly name = 'PathNotAllowedError';
}

/** Too many calls; `retry_after` says in how many seconds another may pass. */
export class RateLimitedError extends ToolError {
  override readonly name = 'RateLimitedError';

  get retry_after(): number | undefined {
    return this.details.retry_after;
  }
}

/** No such tool for this caller. */
export class NotFoundError extends ToolError {
  override readonly name = 'NotFoundError';
}

/** The caller is known and may not do this. */
export class PermissionError extends ToolError {
  override readonly name = 'PermissionError';
}

/** The credential is missing or not accepted. */
export class AuthenticationError extends ToolError {
  override readonly name = 'AuthenticationError';
}

/** The provider, or the API behind it, failed or answered what it must not. */
export class UpstreamError extends ToolError {
  override readonly name = 'UpstreamError';
}

/** No answer came: connection, TLS, redirect, time-out, abort. */
export class TransportError extends ToolError {
  override readonly name = 'TransportError';
}

/** The tool's call template cannot be used here: a variable is missing, its protocol is not allowed, its URL refused. */
export class ToolUnusableError extends ToolError {
  override readonly name = 'ToolUnusableError';
}

/** What came is no UTCP manual. */
export class InvalidManualError extends ToolError {
  override readonly name = 'InvalidManualError';
}

type ToolErrorClass = new (message: string, details: ToolErrorDetails) => ToolError;

// RFC 6749 section 5.2.
const oauthRefusals = ['unauthorized_client', 'invalid_grant', 'invalid_scope', 'unsupported_grant_type'].map(
  (code): [string, ToolErrorClass] => [code, AuthenticationError],
);

const classesByCode: ReadonlyMap<string, ToolErrorClass> = new Map<string, ToolErrorClass>([
  ['unauthenticated', AuthenticationError],
  ['invalid_token', AuthenticationError],
  ['invalid_client', AuthenticationError],
  ...oauthRefusals,
  ['insufficient_scope', PermissionError],
  ['not_permitted', PermissionError],
  ['caller_blocked', PermissionError],
  ['not_found', NotFoundError],
  ['invalid_input', InvalidInputError],
  ['malformed_body', InvalidInputError],
  ['malformed_request', InvalidInputError],
  ['body_too_large', InvalidInputError],
  ['path_not_allowed', PathNotAllowedError],
  ['rate_limited', RateLimitedError],
]);

const classesByStatus: ReadonlyMap<number, ToolErrorClass> = new Map<number, ToolErrorClass>([
  [400, InvalidInputError],
  [401, AuthenticationError],
  [403, PermissionError],
  [404, NotFoundError],
  [413, InvalidInputError],
  [422, InvalidInputError],
  [429, RateLimitedError],
]);

/** The error of an answer that was no success. */
export function fromProblem(problem: Problem): ToolError {
  const ToolErrorOfKind = classesByCode.get(problem.code) ?? classesByStatus.get(problem.status) ?? UpstreamError;
  const { title, detail, ...details } = problem;
  return new ToolErrorOfKind(describeProblem(problem), details);
}

/** The error of a call that the protocol code refused or failed; a provider's problem document speaks if there is one. */
export function fromGatehouseError(error: GatehouseError): ToolError {
  const { upstream_answer: answer, detail, errors, reason } = error.details;
  if (answer) return fromProblem(readProblem(answer));
  const details = { code: error.code, ...(errors && { errors }), cause: error };
  const known = classesByCode.get(error.code);
  if (known) return new known(describeProblem({ title: error.title, detail, errors }), details);
  if (error.code === 'upstream_invalid' || error.code === 'upstream_too_large') {
    return new UpstreamError(error.title, details);
  }
  return new TransportError(reason ? `${error.title}: ${reason}` : error.title, details);
}

/** Whatever a protocol or the network threw, as an error of this client. */
export function toToolError(error: unknown): Error {
  if (error instanceof GatehouseError) return fromGatehouseError(error);
  if (error instanceof LoadError) return fromLoadError(error);
  return error instanceof Error ? error : new TransportError('No answer', { code: 'transport', cause: error });
}

/** The error of a template that could not be prepared; the findings say what is missing. */
function fromLoadError(error: LoadError): ToolError {
  return new ToolUnusableError(`Tool unusable: ${error.findings.map(({ message }) => message).join(' ')}`, {
    code: 'tool_unusable',
    cause: error,
  });
}
