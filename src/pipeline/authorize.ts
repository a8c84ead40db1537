import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Decision } from '../access/index.js';
import { discoverScope, GatehouseError, type Principal } from '../core/index.js';
import type { Exchange } from './exchange.js';

type Done = (error?: Error) => void;

/** May this caller discover at all? What a manual then shows is the permission set's word, tool by tool. */
export function authorizeDiscovery(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
  const { exchange } = request;
  const principal = requirePrincipal(exchange);
  const permissions = exchange.generation.policy.permissionSet(principal, exchange);
  exchange.permissions = permissions;
  if (!permissions.may_discover) {
    return done(new GatehouseError('insufficient_scope', { required_scope: discoverScope }));
  }
  done();
}

/**
 * May this caller call this tool? A tool that is hidden from the caller is answered exactly as one that does not exist;
 * a grant that depends on arguments is decided again when there are any (validate.ts).
 */
export function authorizeCall(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
  const { manual, tool } = readParams(request);
  done(authorizeTool(request.exchange, manual, tool));
}

/** Finds the tool and decides; gives the refusal, or undefined when the caller may call it. */
export function authorizeTool(exchange: Exchange, manual: string, name: string): GatehouseError | undefined {
  const { generation } = exchange;
  const principal = requirePrincipal(exchange);
  const tool = generation.catalog.find(manual, name);
  // The same text, but one that every request for the tool shares.
  exchange.asked_for = tool?.id ?? `${manual}.${name}`;
  const decision = generation.policy.decide(principal, tool, exchange);
  exchange.honeypot = decision.reason === 'honeypot';
  if (!tool || decision.verdict === 'hidden') return new GatehouseError('not_found');
  exchange.tool = tool;
  exchange.runtime = generation.runtimes[tool.index];
  if (decision.verdict === 'visible') return refusal(decision);
  if (tool.expose !== 'direct') return undefined;
  return new GatehouseError('not_permitted', {
    detail: 'This tool is called at its provider, as its call template says.',
    reason: 'direct_tool',
  });
}

/** The refusal that a decision short of callable stands for. */
export function refusal(decision: Decision): GatehouseError {
  if (decision.reason !== 'insufficient_scope') return new GatehouseError('not_permitted', { reason: decision.reason });
  return new GatehouseError('insufficient_scope', {
    ...(decision.needed_scopes && { needed_scopes: decision.needed_scopes }),
    ...(decision.required_scope !== undefined && { required_scope: decision.required_scope }),
  });
}

/** The verified caller. A route without `authenticate` ahead of it is a wiring fault, and fails closed. */
export function requirePrincipal(exchange: Exchange): Principal {
  if (!exchange.principal) throw new GatehouseError('internal', { internal: 'authorize ran without authenticate' });
  return exchange.principal;
}

const text = (value: unknown) => (typeof value === 'string' ? value : '');

/** The path parameters of a tool's or a manual's route; empty where the route has none. */
export function readParams(request: FastifyRequest): { readonly manual: string; readonly tool: string } {
  const { params } = request;
  if (typeof params !== 'object' || params === null) return { manual: '', tool: '' };
  return {
    manual: 'manual' in params ? text(params.manual) : '',
    tool: 'tool' in params ? text(params.tool) : '',
  };
}
