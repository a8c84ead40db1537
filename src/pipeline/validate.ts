import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Arguments, GatehouseError, holdsInexactNumber, isJsonObject, type Json } from '../core/index.js';
import { refusal, requirePrincipal } from './authorize.js';
import type { Exchange } from './exchange.js';
import { invalidInput, type ToolRuntime } from './tool-runtime.js';

type Done = (error?: Error) => void;

/** How a route takes the arguments: the whole object in the body, all in the query, or one in the body. */
export type ArgumentSource = 'body' | 'query' | 'split';

/**
 * Turns the request into arguments and checks them against the tool's inputs: no coercion of bodies, nothing stripped,
 * nothing filled in. Then a grant that depends on arguments is decided.
 */
export function createValidate(source: ArgumentSource) {
  return function validate(request: FastifyRequest, _reply: FastifyReply, done: Done): void {
    const { exchange } = request;
    try {
      const runtime = requireRuntime(exchange);
      const args = runtime.validate(readArguments(source, request, runtime));
      exchange.args = args;
      decideByArguments(exchange, args);
    } catch (error) {
      return done(error instanceof Error ? error : new GatehouseError('internal', { cause: error }));
    }
    done();
  };
}

/** Decides a grant that may depend on the arguments. Throws GatehouseError `not_permitted`. */
export function decideByArguments(exchange: Exchange, args: Arguments): void {
  const { policy } = exchange.generation;
  const context = { now_ms: exchange.now_ms, address: exchange.address, args };
  const decision = policy.decide(requirePrincipal(exchange), exchange.tool, context);
  if (decision.verdict !== 'callable') throw refusal(decision);
}

export function requireRuntime(exchange: Exchange): ToolRuntime {
  if (!exchange.runtime) throw new GatehouseError('internal', { internal: 'validate ran without authorize' });
  return exchange.runtime;
}

function readArguments(source: ArgumentSource, request: FastifyRequest, runtime: ToolRuntime): Arguments {
  const mark = request.url.indexOf('?');
  const query = mark < 0 ? '' : request.url.slice(mark + 1);
  const { exchange } = request;
  const { form } = runtime;
  exchange.request_bytes = query.length + (Buffer.isBuffer(request.body) ? request.body.length : 0);
  if (source === 'query') {
    if (form.kind === 'query') return runtime.parseQuery(query);
    throw new GatehouseError('method_not_allowed', { allow: ['POST'] });
  }
  const body = parseBody(request.body);
  if (source === 'split') {
    if (form.kind !== 'split') throw new GatehouseError('not_found');
    const args = runtime.parseQuery(query);
    return body === undefined ? args : { ...args, [form.body_field]: body };
  }
  if (body === undefined) return {};
  if (!isJsonObject(body)) {
    throw new GatehouseError('invalid_input', {
      detail: 'The body must be a JSON object: the arguments.',
      errors: [{ pointer: '', message: 'must be object' }],
    });
  }
  return body;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

// An empty body comes with any content type from the official clients and means that there are no arguments.
function parseBody(body: unknown): Json | undefined {
  if (!Buffer.isBuffer(body) || body.length === 0) return undefined;
  let text: string;
  let value: Json;
  try {
    text = decoder.decode(body);
    value = JSON.parse(text);
  } catch (cause) {
    throw new GatehouseError('malformed_body', { detail: 'The body is not JSON in UTF-8.', cause });
  }
  if (holdsInexactNumber(text)) throw refuseInexactNumber();
  return value;
}

/** The error of arguments that would arrive changed: what was checked and what was meant would be two numbers. */
export function refuseInexactNumber(): GatehouseError {
  return invalidInput([{ pointer: '', message: 'holds a number that cannot be carried exactly; send it as a string' }]);
}
