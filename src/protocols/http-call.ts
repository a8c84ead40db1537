import { type Arguments, type CallResult, type CallScope, GatehouseError, type PreparedCall } from '../core/index.js';
import { CallDeadline } from './http-deadline.js';
import { Exchange } from './http-exchange.js';
import { isUnreachable } from './http-fault.js';
import { listAnchors, type TokenSource } from './http-oauth.js';
import type { UpstreamOrigin } from './http-origin.js';
import { describeRefusal } from './http-refusal.js';
import type { RenderedRequest, RequestPlan } from './http-request.js';
import { encodeResult } from './http-result.js';
import { backoffMs, isIdempotent, isRetryableStatus, parseRetryAfter } from './retry.js';

const longestRedirectChain = 3;

/** What a call needs besides its plan. */
export interface HttpCallParts {
  readonly plan: RequestPlan;
  readonly origin: UpstreamOrigin;
  readonly tokens: TokenSource | undefined;
  readonly tool: string;
  readonly timeout_ms: number;
  readonly max_response_bytes: number;
  readonly max_retries: number;
}

/** A tool on an HTTP upstream: one request, with bounded retries, same-origin redirects and a bounded answer. */
export class HttpCall implements PreparedCall {
  readonly upstream: string;
  readonly anchors: readonly object[];
  readonly #retries: number;

  constructor(readonly parts: HttpCallParts) {
    this.upstream = parts.plan.upstream.url.host;
    this.anchors = listAnchors(parts);
    this.#retries = isIdempotent(parts.plan.method) ? parts.max_retries : 0;
  }

  call(args: Arguments, scope: CallScope): Promise<CallResult> {
    const request = this.parts.plan.render(args, scope);
    const deadline = new CallDeadline(scope, this.parts.timeout_ms);
    return new Promise((resolve, reject) => {
      // Called where undici reads, which must not be thrown at.
      const settle = (answer: Exchange) => {
        try {
          resolve(answer.isSuccess ? this.#succeed(answer, deadline) : this.#settle(answer, request, deadline));
        } catch (error) {
          reject(error);
        }
      };
      const { origin, tokens, max_response_bytes } = this.parts;
      if (!tokens) return Exchange.begin(origin.calls, request, max_response_bytes, deadline, settle);
      this.#sendAuthorized(request, tokens, deadline).then(settle, (error) => {
        deadline.release();
        reject(error);
      });
    });
  }

  #succeed(answer: Exchange, deadline: CallDeadline): CallResult {
    deadline.release();
    this.parts.origin.markUp(this.parts.tool);
    return { body: encodeResult(answer.body, answer.headers) };
  }

  async #settle(first: Exchange, request: RenderedRequest, deadline: CallDeadline): Promise<CallResult> {
    try {
      const answer = await this.#recover(first, request, deadline);
      if (answer.failure) throw answer.failure;
      if (!answer.isSuccess) throw describeRefusal(answer);
      return { body: encodeResult(answer.body, answer.headers) };
    } finally {
      deadline.release();
    }
  }

  #send(request: RenderedRequest, deadline: CallDeadline): Promise<Exchange> {
    const { origin, tokens, max_response_bytes } = this.parts;
    if (tokens) return this.#sendAuthorized(request, tokens, deadline);
    return Exchange.send(origin.calls, request, max_response_bytes, deadline);
  }

  // A refused token may have been revoked early: it is renewed once, whatever the method, since nothing was done.
  async #sendAuthorized(request: RenderedRequest, tokens: TokenSource, deadline: CallDeadline): Promise<Exchange> {
    const { origin, max_response_bytes } = this.parts;
    for (let renewed = false; ; renewed = true) {
      const got = tokens.get();
      const token = typeof got === 'string' ? got : await deadline.wait(got);
      const headers = [...request.headers, 'authorization', `Bearer ${token}`];
      const answer = await Exchange.send(origin.calls, { ...request, headers }, max_response_bytes, deadline);
      if (answer.status !== 401) return answer;
      tokens.drop(token);
      if (renewed) return answer;
    }
  }

  // What an answer that is no success may still become: a redirect's end, or another try's.
  async #recover(first: Exchange, request: RenderedRequest, deadline: CallDeadline): Promise<Exchange> {
    const { origin, tool } = this.parts;
    let answer = await this.#follow(first, request, deadline);
    for (let attempt = 0; ; attempt++) {
      origin.record(answer.failure ?? answer, tool);
      const delayMs = attempt < this.#retries ? retryDelay(answer, attempt) : undefined;
      if (delayMs === undefined || delayMs >= deadline.remaining_ms) return answer;
      await deadline.pause(delayMs);
      answer = await this.#follow(await this.#send(request, deadline), request, deadline);
    }
  }

  // Credentials are in the headers, so no hop may leave the origin (GHSA-9qhg-99ww-9mqc).
  async #follow(first: Exchange, request: RenderedRequest, deadline: CallDeadline): Promise<Exchange> {
    let answer = first;
    let current = request;
    for (let hop = 0; ; hop++) {
      const location = answer.headers.location;
      if (answer.failure || !isRedirect(answer.status) || location === undefined) return answer;
      if (hop === longestRedirectChain) throw new GatehouseError('upstream_failed', { reason: 'redirect_loop' });
      current = this.#redirect(current, answer.status, location);
      answer = await this.#send(current, deadline);
    }
  }

  #redirect(request: RenderedRequest, status: number, location: string): RenderedRequest {
    const base = this.parts.plan.upstream.url.origin + request.path;
    if (!URL.canParse(location, base)) throw new GatehouseError('upstream_failed', { reason: 'redirect_refused' });
    const url = new URL(location, base);
    this.parts.plan.checkFinalUrl(url);
    const path = url.pathname + url.search;
    // RFC 9110 section 15.4: 303 asks for a GET, and 301 and 302 have always turned a POST into one.
    const becomesGet = status === 303 || (request.method === 'POST' && (status === 301 || status === 302));
    if (!becomesGet) return { ...request, path };
    return { method: 'GET', path, headers: dropHeader(request.headers, 'content-type'), body: null };
  }
}

function isRedirect(status: number): boolean {
  return (status >= 301 && status <= 303) || status === 307 || status === 308;
}

function dropHeader(headers: readonly string[], dropped: string): string[] {
  return headers.filter((_, index) => headers[index - (index % 2)]?.toLowerCase() !== dropped);
}

// Undefined: not to be tried again.
function retryDelay({ failure, status, headers }: Exchange, attempt: number): number | undefined {
  if (failure) return isUnreachable(failure) ? backoffMs(attempt) : undefined;
  if (!isRetryableStatus(status)) return undefined;
  return parseRetryAfter(headers['retry-after']) ?? backoffMs(attempt);
}
