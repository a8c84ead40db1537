import {
  type Arguments,
  type CallResult,
  type CallScope,
  GatehouseError,
  type PreparedCall,
  type StreamItem,
} from '../core/index.js';
import { CallDeadline } from './http-deadline.js';
import { describeFault } from './http-fault.js';
import { listAnchors, type TokenSource } from './http-oauth.js';
import type { UpstreamOrigin } from './http-origin.js';
import { describeRefusal } from './http-refusal.js';
import type { RenderedRequest, RequestPlan } from './http-request.js';
import { StreamExchange } from './stream-exchange.js';
import type { StreamSlots } from './stream-limits.js';

/** What a streamed call needs besides its plan. */
export interface StreamCallParts {
  readonly plan: RequestPlan;
  readonly origin: UpstreamOrigin;
  readonly tokens: TokenSource | undefined;
  readonly tool: string;
  /** Whole milliseconds for the whole stream. */
  readonly timeout_ms: number;
  /** Whole milliseconds that the upstream may be silent. */
  readonly idle_timeout_ms: number;
  readonly slots: StreamSlots;
  readonly reader: StreamReader;
}

/** What a protocol makes of an upstream's answer that was a success. */
export interface StreamReader {
  /** The items, as they come. Throws GatehouseError. */
  read(exchange: StreamExchange): AsyncIterable<StreamItem>;
  /** All of them, as one JSON text: what the stream's `http` twin answers. Throws GatehouseError. */
  collect(exchange: StreamExchange): Promise<Buffer>;
}

interface OpenStream {
  readonly exchange: StreamExchange;
  readonly deadline: CallDeadline;
}

/**
 * A tool whose upstream answers with a stream. Opening one takes a slot of its caller; the stream's end, however it
 * ends, closes the upstream's side and gives the slot back. Nothing is tried again and no redirect is followed: what a
 * caller has seen of a stream can't be taken back.
 */
export class StreamCall implements PreparedCall {
  readonly anchors: readonly object[];

  constructor(readonly parts: StreamCallParts) {
    this.anchors = listAnchors(parts);
  }

  async call(args: Arguments, scope: CallScope): Promise<CallResult> {
    const open = await this.#open(args, scope);
    try {
      return { body: await this.parts.reader.collect(open.exchange) };
    } finally {
      this.#close(open, scope);
    }
  }

  async *stream(args: Arguments, scope: CallScope): AsyncGenerator<StreamItem> {
    const open = await this.#open(args, scope);
    try {
      yield* this.parts.reader.read(open.exchange);
    } finally {
      this.#close(open, scope);
    }
  }

  async #open(args: Arguments, scope: CallScope): Promise<OpenStream> {
    const { plan, slots, timeout_ms } = this.parts;
    const request = plan.render(args, scope);
    slots.take(scope.caller);
    const deadline = new CallDeadline(scope, timeout_ms);
    try {
      const exchange = await this.#send(request, deadline);
      return { exchange, deadline };
    } catch (error) {
      deadline.release();
      slots.release(scope.caller);
      throw error;
    }
  }

  #close(open: OpenStream, scope: CallScope): void {
    open.exchange.close();
    open.deadline.release();
    this.parts.slots.release(scope.caller);
  }

  async #send(request: RenderedRequest, deadline: CallDeadline): Promise<StreamExchange> {
    const outcome = await this.#sendAuthorized(request, deadline).catch(describeFault);
    this.parts.origin.record(outcome, this.parts.tool);
    if (outcome instanceof GatehouseError) throw outcome;
    try {
      await checkHead(outcome);
      return outcome;
    } catch (error) {
      outcome.close();
      throw error;
    }
  }

  // A refused token may have been revoked early: it is renewed once, since nothing was done.
  async #sendAuthorized(request: RenderedRequest, deadline: CallDeadline): Promise<StreamExchange> {
    const { tokens, origin, idle_timeout_ms } = this.parts;
    if (!tokens) return StreamExchange.open(origin.streams, request, deadline, idle_timeout_ms);
    for (let renewed = false; ; renewed = true) {
      const got = tokens.get();
      const token = typeof got === 'string' ? got : await deadline.wait(got);
      const headers = [...request.headers, 'authorization', `Bearer ${token}`];
      const exchange = await StreamExchange.open(origin.streams, { ...request, headers }, deadline, idle_timeout_ms);
      if (exchange.status !== 401) return exchange;
      tokens.drop(token);
      if (renewed) return exchange;
      exchange.close();
    }
  }
}

async function checkHead(exchange: StreamExchange): Promise<void> {
  const { status, headers } = exchange;
  // GHSA-9qhg-99ww-9mqc.
  if (status >= 300 && status < 400)
    throw new GatehouseError('upstream_failed', { reason: 'redirect_refused', upstream_status: status });
  if (!exchange.isSuccess) throw describeRefusal({ status, headers, body: await exchange.readRefusal() });
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new GatehouseError('upstream_invalid', { reason: 'content_encoding' });
}
