import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatehouseError, isJsonObject, type Json } from '../core/index.js';
import type { Outcome, SecurityEvent } from '../events/index.js';
import type { Exchange } from './exchange.js';
import type { Gate } from './gate.js';

/**
 * Turns a finished or aborted exchange into exactly one security event. Hooked to `onResponse` and `onRequestAbort`,
 * since an aborted stream never reaches the first; the flag makes the second of two a no-op.
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
    onRequestAbort(request: FastifyRequest, done: () => void): void {
      const { exchange } = request;
      exchange.error ??= new GatehouseError('client_aborted');
      exchange.scope?.cancel('client_aborted');
      record(exchange, exchange.error.status);
      done();
    },
    /** For exchanges without a response of their own: messages of an inbound websocket. */
    record,
  };
}

function describeSuccess(exchange: Exchange): SecurityEvent {
  const { source = 'unknown', credential_digest = '' } = exchange.principal ?? {};
  const credential_id = Buffer.from(credential_digest, 'base64url').toString('hex').slice(0, 12);
  return { event: 'auth.success', outcome: 'success', ...identify(exchange), credential: source, credential_id };
}

function identify(exchange: Exchange) {
  const caller = exchange.principal?.id ?? exchange.claimed;
  return {
    ...(caller !== undefined && { caller }),
    address: exchange.address,
    request_id: exchange.request_id,
  };
}

/** The one event of an exchange; undefined for those that no security reader asked about (health, metadata). */
function describeExchange(exchange: Exchange, status: number, duration_ms: number): SecurityEvent | undefined {
  const { error } = exchange;
  const base = describeBase(exchange, error, duration_ms);
  if (error) {
    const refused = describeRefusal(exchange, error, base);
    if (refused) return refused;
  }
  if (exchange.kind === 'manual') {
    const manual = exchange.manual === undefined ? {} : { manual: exchange.manual };
    return { event: 'manual.served', ...base, ...manual, status, tools: exchange.tools_listed };
  }
  if (exchange.issued) return { event: 'token.issued', ...base, ...exchange.issued };
  if (exchange.kind !== 'call') return undefined;
  const args = shownArguments(exchange);
  return { event: 'tool.call', ...base, ...digests(exchange), status, ...(args && { arguments: args }) };
}

function describeBase(exchange: Exchange, error: GatehouseError | undefined, duration_ms: number) {
  return {
    outcome: outcomeOf(error),
    ...identify(exchange),
    ...(exchange.asked_for !== undefined && { tool: exchange.asked_for }),
    ...(error && { reason: error.reason }),
    duration_ms,
  };
}

/** What every event of an exchange says. */
type Base = ReturnType<typeof describeBase>;

function describeRefusal(exchange: Exchange, error: GatehouseError, base: Base): SecurityEvent | undefined {
  switch (error.code) {
    case 'unauthenticated':
    case 'invalid_token':
    case 'invalid_client':
      return { event: 'auth.failure', ...base };
    case 'rate_limited':
      return {
        event: 'limit.exceeded',
        ...base,
        ...digests(exchange),
        // A protocol's own bound (streams of one caller) is no limit of the plan; its reason names it.
        limit: exchange.limit ?? error.reason,
        retry_after: error.details.retry_after ?? 0,
      };
    case 'not_found':
    case 'not_permitted':
    case 'insufficient_scope':
    case 'caller_blocked':
    case 'method_not_allowed': {
      if (exchange.kind !== 'call') return undefined;
      const scope = error.details.required_scope;
      return {
        event: 'tool.denied',
        ...base,
        ...(exchange.honeypot && { reason: 'honeypot' }),
        ...digests(exchange),
        ...(exchange.honeypot && { severity: 'critical' }),
        ...(scope !== undefined && { required_scope: scope }),
      };
    }
    case 'invalid_input':
    case 'malformed_body':
    case 'malformed_request':
    case 'path_not_allowed':
    case 'body_too_large':
    case 'unsupported_media_type': {
      if (exchange.kind !== 'call') return undefined;
      const pointers = error.details.errors?.map(({ pointer }) => pointer).slice(0, 20);
      return { event: 'input.rejected', ...base, ...digests(exchange), ...(pointers && { pointers }) };
    }
    default:
      return undefined;
  }
}

function outcomeOf(error: GatehouseError | undefined): Outcome {
  if (!error) return 'success';
  return error.status < 499 ? 'denied' : 'failure';
}

function digests(exchange: Exchange) {
  if (exchange.kind !== 'call') return {};
  const { catalog, policy_digest } = exchange.generation;
  return { manual_digest: catalog.digest, policy_digest };
}

function shownArguments(exchange: Exchange): { readonly [name: string]: Json } | undefined {
  const names = exchange.tool?.settings.log_arguments;
  const { args } = exchange;
  if (!names || names.length === 0 || !args || !isJsonObject(args)) return undefined;
  return Object.fromEntries(names.flatMap((name) => (Object.hasOwn(args, name) ? [[name, args[name] ?? null]] : [])));
}
