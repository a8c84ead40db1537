import {
  type ErrorCode,
  errorKinds,
  type InputError,
  isJsonObject,
  type JsonObject,
  type UpstreamAnswer,
} from '../core/index.js';
import { parseRetryAfter } from '../protocols/retry.js';

/** A problem document (RFC 9457) as far as the client uses it. */
export interface Problem {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail?: string;
  readonly request_id?: string;
  readonly errors?: readonly InputError[];
  readonly retry_after?: number;
  readonly required_scope?: string;
}

/** Longest text that is taken from a provider's answer into a message. */
const maxTextLength = 300;

/** Reads an answer that was no success; one that is no problem document is described by its status alone. */
export function readProblem(answer: UpstreamAnswer): Problem {
  return describeDocument(parseObject(answer), answer.status, answer.retry_after);
}

/**
 * The problem that stands in a stream in place of an element, where the stream does not end by itself: a Gatehouse says
 * so in an event `error` or `closing`, or in a last line `{"error": problem}`. Undefined for every other element.
 */
export function readStreamedProblem(event: string | undefined, value: unknown): Problem | undefined {
  const inLine = event === undefined && isJsonObject(value) && Object.keys(value).length === 1;
  const document = inLine ? value.error : event === 'error' || event === 'closing' ? value : undefined;
  if (!isJsonObject(document) || typeof document.status !== 'number' || document.request_id === undefined) {
    return undefined;
  }
  return isKnownCode(document.code) ? describeDocument(document, document.status, undefined) : undefined;
}

function describeDocument(document: JsonObject, status: number, retry: string | undefined): Problem {
  // RFC 6749 section 5.2: a token endpoint calls its code `error`.
  const code = readText(document.code) ?? readText(document.error) ?? `http_${status}`;
  const detail = readText(document.detail);
  const requestId = readText(document.request_id);
  const scope = readText(document.required_scope);
  const errors = readErrors(document.errors);
  const wait_ms = parseRetryAfter(retry);
  const retryAfter = wait_ms === undefined ? readNumber(document.retry_after) : Math.ceil(wait_ms / 1000);
  return {
    code,
    status,
    title: titleOf(code, readText(document.title), status),
    ...(detail !== undefined && { detail }),
    ...(requestId !== undefined && { request_id: requestId }),
    ...(scope !== undefined && { required_scope: scope }),
    ...(errors.length > 0 && { errors }),
    ...(retryAfter !== undefined && { retry_after: retryAfter }),
  };
}

/** One line: the title, then what says most. */
export function describeProblem(problem: {
  readonly title: string;
  readonly detail?: string | undefined;
  readonly errors?: readonly InputError[] | undefined;
}): string {
  const errors = (problem.errors ?? []).slice(0, 5).map(({ pointer, message }) => `${pointer} ${message}`.trim());
  const rest = errors.length > 0 ? errors.join(', ') : problem.detail;
  return rest === undefined ? problem.title : `${problem.title}: ${rest}`;
}

function titleOf(code: string, title: string | undefined, status: number): string {
  if (isKnownCode(code)) return errorKinds[code].title;
  if (title !== undefined) return title;
  return status === 429 ? errorKinds.rate_limited.title : `The provider answered ${status}`;
}

function isKnownCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorKinds, code);
}

function parseObject({ content_type: type, body }: UpstreamAnswer): JsonObject {
  if (!type?.includes('json')) return {};
  try {
    const document: unknown = JSON.parse(body.toString('utf8'));
    return isJsonObject(document) ? document : {};
  } catch {
    // Cut off or not JSON: the status has to say it.
    return {};
  }
}

function readErrors(value: unknown): readonly InputError[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isJsonObject).flatMap((item) => {
    const message = readText(item.message) ?? readText(item.detail);
    return message === undefined ? [] : [{ pointer: readText(item.pointer) ?? '', message }];
  });
}

// The text ends up on terminals and in logs; a control character in it could forge a line.
function readText(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  return value.slice(0, maxTextLength).replace(/\p{C}/gu, ' ');
}

function readNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? Math.ceil(value) : undefined;
}
