import {
  type Arguments,
  type CallResult,
  type CallScope,
  GatehouseError,
  type PreparedCall,
  type StreamItem,
} from '../core/index.js';
import { CallDeadline } from './http-deadline.js';
import type { TokenSource } from './http-oauth.js';
import type { RequestPlan } from './http-request.js';
import { collectJsonArray, itemToJson, type TextFormat, toJsonText } from './stream-json.js';
import { ByteBudget, type StreamSlots } from './stream-limits.js';
import type { UpstreamState } from './upstream-state.js';
import type { WebsocketConnection, WebsocketTarget } from './websocket-connection.js';
import type { CompiledMessage } from './websocket-message.js';
import type { WebsocketPool } from './websocket-pool.js';

/** What a websocket call needs besides its plan. */
export interface WebsocketCallParts {
  readonly plan: RequestPlan;
  /** Undefined: the arguments without another place are the message. */
  readonly message: CompiledMessage | undefined;
  readonly target: Omit<WebsocketTarget, 'url' | 'headers'>;
  readonly tokens: TokenSource | undefined;
  readonly state: UpstreamState;
  readonly pool: WebsocketPool;
  readonly slots: StreamSlots;
  readonly tool: string;
  readonly format: TextFormat;
  /** How many messages answer the call; undefined: all until the upstream closes. */
  readonly expected: number | undefined;
  readonly max_messages: number;
  readonly keep_alive: boolean;
  readonly timeout_ms: number;
  readonly response_timeout_ms: number;
  readonly max_response_bytes: number;
  reportFlood(): void;
}

/** Where a call's connection leads, and under which name it may wait for the next one. */
interface Address {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly key: string;
}

/** A tool on a websocket upstream: one message out, one or more back. */
export class WebsocketCall implements PreparedCall {
  constructor(readonly parts: WebsocketCallParts) {}

  async call(args: Arguments, scope: CallScope): Promise<CallResult> {
    const items = this.stream(args, scope);
    if (this.parts.expected !== 1) return { body: await collectJsonArray(items) };
    let body = '';
    for await (const item of items) body = itemToJson(item);
    return { body: Buffer.from(body) };
  }

  async *stream(args: Arguments, scope: CallScope): AsyncGenerator<StreamItem> {
    const { plan, slots, pool, keep_alive, timeout_ms } = this.parts;
    const request = plan.render(args, scope);
    const message = this.#renderMessage(args, scope);
    slots.take(scope.caller);
    const deadline = new CallDeadline(scope, timeout_ms);
    try {
      const [connection, key] = await this.#connect(request, scope, deadline);
      let wentWell = false;
      try {
        await connection.send(message);
        yield* this.#read(connection);
        wentWell = true;
      } finally {
        await (wentWell && keep_alive ? pool.give(key, connection) : pool.end(connection, wentWell));
      }
    } finally {
      deadline.release();
      slots.release(scope.caller);
    }
  }

  #renderMessage(args: Arguments, scope: CallScope): string {
    const { message, plan } = this.parts;
    if (message) return message.render(args, scope);
    return JSON.stringify(Object.fromEntries(Object.entries(args).filter(([name]) => !plan.placed.has(name))));
  }

  async *#read(connection: WebsocketConnection): AsyncGenerator<StreamItem> {
    const { expected, max_messages, max_response_bytes, response_timeout_ms, format } = this.parts;
    const budget = new ByteBudget(max_response_bytes);
    const last = Math.min(expected ?? max_messages, max_messages);
    for (let count = 1; count <= last; count++) {
      const message = await connection.next(response_timeout_ms);
      if (message === undefined) {
        if (expected === undefined) return;
        throw new GatehouseError('upstream_failed', { reason: 'closed_early' });
      }
      budget.spend(Buffer.byteLength(message));
      yield { data: typeof message === 'string' ? toJsonText(message, format) : message };
    }
    if (expected === undefined || expected > last) this.parts.reportFlood();
  }

  async #connect(
    request: { readonly path: string; readonly headers: readonly string[] },
    scope: CallScope,
    deadline: CallDeadline,
  ): Promise<readonly [WebsocketConnection, string]> {
    const { tokens, state, tool } = this.parts;
    for (let renewed = false; ; renewed = true) {
      const got = tokens?.get();
      const token = got instanceof Promise ? await deadline.wait(got) : got;
      try {
        const address = this.#address(request, token, scope);
        const connection = await this.#open(address, deadline);
        state.markUp(tool);
        return [connection, address.key];
      } catch (error) {
        if (error instanceof GatehouseError) state.record(toOutcome(error), tool);
        if (!isUnauthorized(error) || token === undefined || renewed) throw error;
        // The token may have been revoked early: it is renewed once, since nothing was sent yet.
        tokens?.drop(token);
      }
    }
  }

  #open(address: Address, deadline: CallDeadline): Promise<WebsocketConnection> {
    const { target, pool } = this.parts;
    return pool.take(address.key, { ...target, url: address.url, headers: address.headers }, deadline);
  }

  #address(
    request: { readonly path: string; readonly headers: readonly string[] },
    token: string | undefined,
    scope: CallScope,
  ): Address {
    const url = new URL(request.path, this.parts.plan.upstream.url.origin);
    const headers: Record<string, string> = {};
    const lasting: string[] = [];
    const pairs = token === undefined ? request.headers : [...request.headers, 'authorization', `Bearer ${token}`];
    for (let at = 0; at + 1 < pairs.length; at += 2) {
      const [name = '', value = ''] = pairs.slice(at, at + 2);
      headers[name] = value;
      // These name one request, not a connection.
      if (!perRequest.has(name.toLowerCase())) lasting.push(name, value);
    }
    return { url, headers, key: JSON.stringify([scope.caller, url.href, lasting]) };
  }
}

const perRequest: ReadonlySet<string> = new Set(['x-request-id', 'traceparent', 'tracestate']);

// A refused handshake was an answer.
function toOutcome(error: GatehouseError): GatehouseError | { readonly status: number } {
  const { upstream_status } = error.details;
  return upstream_status === undefined ? error : { status: upstream_status };
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof GatehouseError && error.details.upstream_status === 401;
}
