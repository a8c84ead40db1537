import { type GatehouseError, isJsonObject, type Json } from '../core/index.js';
import type { Outcome, SecurityEvent } from '../events/index.js';
import type { Exchange } from './exchange.js';

/** The event of a credential that was verified just now. */
export function describeSuccess(exchange: Exchange): SecurityEvent {
  const { source = 'unknown', credential_digest = '' } = exchange.principal ?? {};
  return {
    event: 'auth.success',
    outcome: 'success',
    caller: callerOf(exchange),
    address: exchange.address,
    request_id: exchange.request_id,
    credential: source,
    credential_id: Buffer.from(credential_digest, 'base64url').toString('hex').slice(0, 12),
  };
}

/**
 * The one event of an exchange; undefined for those that no security reader asked about (health, metadata). What every
 * request leaves is written out member by member: a spread costs as much as the rest of the event.
 */
export function describeExchange(exchange: Exchange, status: number, duration_ms: number): SecurityEvent | undefined {
  const { error } = exchange;
  if (error) {
    const refused = describeRefusal(exchange, error, describeBase(exchange, error, duration_ms));
    if (refused) return refused;
  }
  if (exchange.kind === 'call') return describeCall(exchange, status, duration_ms);
  if (exchange.kind === 'manual') return describeManual(exchange, status, duration_ms);
  if (!exchange.issued) return undefined;
  return { event: 'token.issued', ...describeBase(exchange, error, duration_ms), ...exchange.issued };
}

function describeManual(exchange: Exchange, status: number, duration_ms: number): SecurityEvent {
  const { error } = exchange;
  return {
    event: 'manual.served',
    outcome: outcomeOf(error),
    caller: callerOf(exchange),
    address: exchange.address,
    request_id: exchange.request_id,
    reason: error?.reason,
    duration_ms,
    manual: exchange.manual,
    status,
    tools: exchange.tools_listed,
  };
}

function describeCall(exchange: Exchange, status: number, duration_ms: number): SecurityEvent {
  const { error, generation } = exchange;
  return {
    event: 'tool.call',
    outcome: outcomeOf(error),
    caller: callerOf(exchange),
    tool: exchange.asked_for,
    address: exchange.address,
    request_id: exchange.request_id,
    reason: error?.reason,
    duration_ms,
    manual_digest: generation.catalog.digest,
    policy_digest: generation.policy_digest,
    status,
    arguments: shownArguments(exchange),
  };
}

function describeBase(exchange: Exchange, error: GatehouseError | undefined, duration_ms: number) {
  return {
    outcome: outcomeOf(error),
    caller: callerOf(exchange),
    tool: exchange.asked_for,
    address: exchange.address,
    request_id: exchange.request_id,
    reason: error?.reason,
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
      // Blocked in the middle of a call: it was begun, so it is told as a call.
      if (exchange.kind !== 'call' || exchange.upstream_ms !== undefined) return undefined;
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

function callerOf(exchange: Exchange): string | undefined {
  return exchange.principal?.id ?? exchange.claimed;
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
