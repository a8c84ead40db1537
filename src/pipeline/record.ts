import type { FastifyReply } from 'fastify';
import { GatehouseError } from '../core/index.js';
import { describeExchange, describeSuccess } from './describe-exchange.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';
import { QueuedAnswers } from './queued-answers.js';

/** Leaves one security event for each exchange. */
export type Recorder = ReturnType<typeof createRecord>;

/**
 * Turns a finished or aborted exchange into exactly one security event. It listens to the response itself, which finishes
 * or is closed: an aborted one never reaches Fastify's `onResponse`, and a caller whose body has been read is none to its
 * `onRequestAbort`. The flag makes the second of two a no-op.
 */
export function createRecord(gate: Gate) {
  const queued = new QueuedAnswers();
  function record(exchange: Exchange, status: number): void {
    if (exchange.recorded) return;
    exchange.recorded = true;
    exchange.seat?.leave();
    gate.active--;
    const duration_ms = performance.now() - exchange.started_ms;
    if (exchange.verified_freshly) gate.sink.emit(describeSuccess(exchange));
    const event = describeExchange(exchange, status, duration_ms);
    if (event) gate.sink.emit(event);
    exchange.trace?.finish(exchange, status);
    gate.observe?.(exchange, status, duration_ms);
  }
  return {
    /** Watches for the end of the answer, or for a caller that goes away before it is written. */
    watch(exchange: Exchange, reply: FastifyReply): void {
      const { raw } = reply;
      raw.on('finish', () => {
        if (!exchange.deferred) record(exchange, raw.statusCode);
      });
      const noteClose = () => {
        if (exchange.recorded || exchange.deferred) return;
        exchange.error ??= new GatehouseError('client_aborted');
        exchange.scope?.cancel('client_aborted');
        record(exchange, exchange.error.status);
      };
      raw.on('error', ignore);
      // A hook of an app that this one is a part of may have outlasted the caller.
      if (raw.destroyed) noteClose();
      else raw.on('close', noteClose);
      if (!raw.socket) {
        queued.watch(reply, () => {
          if (exchange.deferred) exchange.scope?.cancel('client_aborted');
          else noteClose();
        });
      }
    },
    /** For exchanges without a response of their own: messages of an inbound websocket. */
    record,
  };
}

// What could not be written to a caller that has gone is no fault; the close that follows is recorded.
function ignore(): void {}
