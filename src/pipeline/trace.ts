import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';

/** W3C Trace Context, as it is sent on. */
export interface TraceHeaders {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** A span that is open. */
export interface OpenSpan extends TraceHeaders {
  /** Ends it; `error` is what went wrong in it. */
  end(error?: unknown): void;
}

/** The spans of one exchange. Attributes are codes and configured names: no argument, no credential, no path. */
export interface ExchangeTrace {
  /** Opens the span of a stage. */
  openStage(name: string): OpenSpan;
  /** Opens the span of the call to an upstream; its headers go with the call. */
  openUpstream(upstream: string): OpenSpan;
  /** Ends the exchange's own span, once. */
  finish(exchange: Exchange, status: number): void;
}

/** Makes traces; there is none where tracing is not configured. */
export interface Tracing {
  /** Begins the span of an exchange, under the caller's where it named one. `method` is a method or a kind of message. */
  begin(exchange: Exchange, method: string): ExchangeTrace;
}

type Done = (error?: Error) => void;
type Stage = (request: FastifyRequest, reply: FastifyReply, done: Done) => void;

/** A stage with a span of its own; where tracing is off, the stage itself, so that it costs nothing. */
export function traceStage(gate: Gate, name: string, stage: Stage): Stage {
  if (!gate.tracing) return stage;
  return function traced(request, reply, done) {
    const span = request.exchange.trace?.openStage(name);
    stage(request, reply, (error) => {
      span?.end(error);
      done(error);
    });
  };
}

const traceparentForm = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Reads a request's trace context; one that is malformed is as none (W3C Trace Context section 3.2.2.3). */
export function readTraceHeaders(traceparent: unknown, tracestate: unknown): TraceHeaders {
  if (typeof traceparent !== 'string' || !traceparentForm.test(traceparent)) return none;
  const isShort = typeof tracestate === 'string' && tracestate.length <= 512;
  return { traceparent, tracestate: isShort ? tracestate : undefined };
}

const none: TraceHeaders = { traceparent: undefined, tracestate: undefined };
