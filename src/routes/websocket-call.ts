import type { PresentedCredential } from '../auth/index.js';
import { GatehouseError, type Principal } from '../core/index.js';
import {
  authenticateExchange,
  authorizeTool,
  countExchange,
  decideByArguments,
  dispatchCall,
  Exchange,
  type Gate,
  markExchange,
  type Recorder,
  requireRuntime,
} from '../pipeline/index.js';
import { describeProblem, toGatehouseError } from './errors.js';
import { type CallMessage, writeError, writeResult } from './websocket-message.js';

/** What every connection works with. */
export interface WebsocketParts {
  readonly gate: Gate;
  readonly record: Recorder['record'];
  /** Told of internal errors, for the operator. */
  report(error: GatehouseError, request_id: string): void;
}

/** Who opened a connection, and to which tool. */
export interface Handshake {
  readonly request_id: string;
  readonly address: string;
  readonly principal: Principal;
  /** Asked again with every message: a credential may end, or be revoked, while the connection stands. */
  readonly presented: PresentedCredential;
  readonly manual: string;
  readonly tool: string;
}

/** What came of one message. */
export interface MessageOutcome {
  readonly answer: string;
  readonly error: GatehouseError | undefined;
}

/** Calls of one connection: each message passes the stages of a call (routes/call.ts) and leaves one event. */
export class WebsocketCalls {
  readonly #parts: WebsocketParts;
  readonly #handshake: Handshake;
  readonly #running = new Set<Exchange>();
  #count = 0;

  constructor(parts: WebsocketParts, handshake: Handshake) {
    this.#parts = parts;
    this.#handshake = handshake;
  }

  /** Never rejects. */
  async run(message: CallMessage): Promise<MessageOutcome> {
    const exchange = this.#begin();
    this.#running.add(exchange);
    try {
      const answer = writeResult(message.id, await this.#dispatch(exchange, message));
      this.#parts.record(exchange, 200);
      return { answer, error: undefined };
    } catch (thrown) {
      const error = this.#fail(exchange, toGatehouseError(thrown));
      const problem = JSON.stringify(describeProblem(error, exchange.request_id));
      return { answer: writeError(message.id, problem), error };
    } finally {
      this.#running.delete(exchange);
    }
  }

  /** Records a message that could not even be read. */
  refuse(error: GatehouseError): void {
    const exchange = this.#begin();
    exchange.principal = this.#handshake.principal;
    exchange.asked_for = `${this.#handshake.manual}.${this.#handshake.tool}`;
    this.#fail(exchange, error);
  }

  /** The client has gone: ends what runs for it. */
  abort(): void {
    for (const exchange of this.#running) exchange.scope?.cancel('client_aborted');
  }

  async #dispatch(exchange: Exchange, message: CallMessage): Promise<string> {
    const { gate } = this.#parts;
    const { presented, manual, tool } = this.#handshake;
    await new Promise<void>((resolve, reject) => {
      authenticateExchange(gate, exchange, presented, (error) => (error ? reject(error) : resolve()));
    });
    const refusal = authorizeTool(exchange, manual, tool) ?? (await countExchange(gate, exchange, 'call'));
    if (refusal) throw refusal;
    if (message.args instanceof GatehouseError) throw message.args;
    exchange.request_bytes = message.bytes;
    exchange.args = requireRuntime(exchange).validate(message.args);
    decideByArguments(exchange, exchange.args);
    return dispatchCall(gate, exchange, ({ body }) => body.toString());
  }

  #begin(): Exchange {
    const { gate } = this.#parts;
    const { request_id, address } = this.#handshake;
    this.#count++;
    const exchange = new Exchange(gate.generation, `${request_id}.${this.#count}`, address, undefined, undefined);
    markExchange(gate, exchange, 'call', '/tools/:manual/:tool/ws', 'MESSAGE');
    gate.active++;
    return exchange;
  }

  #fail(exchange: Exchange, error: GatehouseError): GatehouseError {
    exchange.error = error;
    if (error.code === 'internal') this.#parts.report(error, exchange.request_id);
    this.#parts.record(exchange, error.status);
    return error;
  }
}
