import { errorKinds, type InputError, isJsonObject, type JsonObject, type UpstreamAnswer } from '../core/index.js';
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
  const document = parseObject(answer);
  // RFC 6749 section 5.2: a token endpoint calls its code `error`.
  const code = readText(document.code) ?? readText(document.error) ?? `http_${answer.status}`;
  const detail = readText(document.detail);
  const requestId = readText(document.request_id);
  const scope = readText(document.required_scope);
  const errors = readErrors(document.errors);
  const wait_ms = parseRetryAfter(answer.retry_after);
  const retryAfter = wait_ms === undefined ? readNumber(document.retry_after) : Math.ceil(wait_ms / 1000);
  return {
    code,
    status: answer.status,
    title: titleOf(code, readText(document.title), answer.status),
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
  for (const [known, kind] of Object.entries(errorKinds)) if (known === code) return kind.title;
  if (title !== undefined) return title;
  if (status === 429) return errorKinds.rate_limited.title;
  return `The provider answered ${status}`;
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
