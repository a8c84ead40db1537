import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatehouseError } from '../core/index.js';
import { describeExchange, describeSuccess } from './describe-exchange.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';

/**
 * Turns a finished or aborted exchange into exactly one security event. Hooked to `onResponse` and to the close of the
 * response, since an aborted one never reaches the first; the flag makes the second of two a no-op.
 */
export type Recorder = ReturnType<typeof createRecord>;

export function createRecord(gate: Gate) {
  function record(exchange: Exchange, status: number): void {
    if (exchange.recorded) return;
    exchange.recorded = true;
    exchange.release?.();
    gate.active--;
    const duration_ms = performance.now() - exchange.started_ms;
    if (exchange.verified_freshly) gate.sink.emit(describeSuccess(exchange));
    const event = describeExchange(exchange, status, duration_ms);
    if (event) gate.sink.emit(event);
    gate.observe?.(exchange, status, duration_ms);
  }
  return {
    onResponse(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
      if (!request.exchange.deferred) record(request.exchange, reply.statusCode);
      done();
    },
    /**
     * Watches for a caller that goes away before its answer is written. Fastify's `onRequestAbort` does not see one whose
     * body has been read: Node calls a request aborted only while it is still coming in.
     */
    watchAbort(request: FastifyRequest, reply: FastifyReply): void {
      const { exchange } = request;
      const noteClose = () => {
        if (reply.raw.writableFinished || exchange.recorded || exchange.deferred) return;
        exchange.error ??= new GatehouseError('client_aborted');
        exchange.scope?.cancel('client_aborted');
        record(exchange, exchange.error.status);
      };
      // A hook of an app that this one is a part of may have outlasted the caller.
      if (reply.raw.destroyed) noteClose();
      else reply.raw.once('close', noteClose);
    },
    /** For exchanges without a response of their own: messages of an inbound websocket. */
    record,
  };
}
