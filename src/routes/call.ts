import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CallResult, GatehouseError } from '../core/index.js';
import {
  type ArgumentSource,
  authorizeCall,
  createAuthenticate,
  createLimit,
  createMark,
  createValidate,
  dispatchCall,
  dispatchStream,
  type Gate,
  isStreamable,
  type Recorder,
  traceStage,
} from '../pipeline/index.js';
import type { Answers, Head } from './answer.js';
import { createBodyStage, type Hook } from './body.js';
import { describeProblem, toGatehouseError } from './errors.js';
import { writeBytes, writeNdjson, writeSse } from './stream.js';

/** What the routes of calls are made of. */
export interface CallParts {
  readonly gate: Gate;
  readonly record: Recorder['record'];
  readonly answers: Answers;
  readonly max_body_bytes: number;
  /** Whether the app is a part of another's, whose hooks have a say at every stage. */
  readonly is_guest: boolean;
}

/**
 * The order of every call, and the reason for it:
 * 1. authenticate: without a caller there is nothing to decide, and a stranger costs no more than a look at a header.
 * 2. authorize: what the caller may not see must not be counted, parsed or answered differently from what is not there.
 * 3. limit: keyed by a verified caller and a known tool; ahead of the body, so that a refusal costs no parsing.
 * 4. validate: reads the body, checks it against the inputs, and decides grants that depend on arguments.
 * 5. dispatch: the one stage that leaves this process.
 * 6. record: hooked to the response and to the abort alike (server), turns the exchange into one event.
 */
export function registerCallRoutes(app: FastifyInstance, parts: CallParts): void {
  const { gate } = parts;
  const call = createCallHandler(parts);
  const stages = [
    traceStage(gate, 'authenticate', createAuthenticate(gate)),
    traceStage(gate, 'authorize', authorizeCall),
    traceStage(gate, 'limit', createLimit(gate, 'call')),
  ];
  const readBody = (validate: Hook) => createBodyStage({ max_bytes: parts.max_body_bytes, validate, handle: call });
  const validate = (source: ArgumentSource) => traceStage(gate, 'validate', createValidate(source));
  const url = '/tools/:manual/:tool';
  const onRequest = [createMark(gate, 'call', url), ...stages];
  const onSplitRequest = [createMark(gate, 'call', `${url}/body`), ...stages];
  addPost(url, onRequest, validate('body'));
  addPost(`${url}/body`, onSplitRequest, validate('split'));
  app.get(url, { onRequest, preHandler: validate('query'), exposeHeadRoute: false }, call);

  function addPost(path: string, before: Hook[], preHandler: Hook): void {
    if (parts.is_guest) app.post(path, { onRequest: before, preHandler }, call);
    else app.post(path, { onRequest: [...before, readBody(preHandler)] }, call);
  }
}

function createCallHandler(parts: CallParts) {
  const { gate, answers, is_guest } = parts;
  return function call(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> | undefined {
    const { exchange } = request;
    const write = isStreamable(exchange) ? chooseWriter(request.headers.accept) : undefined;
    if (write) return stream(parts, request, reply, write);
    const send = ({ body }: CallResult) => {
      answers.send(request, reply, 200, [...callHead, String(exchange.response_bytes)], body);
      // A reply that Fastify still sends must be waited for; one that is on its way already need not.
      return is_guest ? reply : undefined;
    };
    const sent = dispatchCall(gate, exchange, send);
    return sent instanceof Promise ? sent : undefined;
  };
}

// Exactly this type: the Python client hands back a string for anything else.
const callHead: Head = ['content-type', 'application/json', 'cache-control', 'no-store', 'content-length'];

type Writer = typeof writeSse;

/** The stream form that Accept asks for; undefined for the collected twin. */
function chooseWriter(accept: string | undefined): Writer | undefined {
  if (accept === undefined) return undefined;
  if (accept.includes('text/event-stream')) return writeSse;
  if (accept.includes('application/x-ndjson')) return writeNdjson;
  return accept.includes('application/octet-stream') ? writeBytes : undefined;
}

async function stream(
  { gate, record, answers }: CallParts,
  request: FastifyRequest,
  reply: FastifyReply,
  write: Writer,
): Promise<FastifyReply> {
  const { exchange } = request;
  answers.dress(request, reply);
  const answer = {
    headers: headersOf(reply),
    describeProblem: (error: GatehouseError) => JSON.stringify(describeProblem(error, exchange.request_id)),
  };
  exchange.deferred = true;
  reply.hijack();
  try {
    const outcome = await dispatchStream(gate, exchange, (items, scope) => write(reply.raw, items, scope, answer));
    const { error } = outcome;
    exchange.response_bytes = outcome.bytes;
    if (error) exchange.error ??= error;
  } catch (error) {
    sendLate(request, reply, toGatehouseError(error));
  }
  record(exchange, exchange.error?.status ?? reply.raw.statusCode);
  return reply;
}

function headersOf(reply: FastifyReply): Record<string, string> {
  return Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
}

// The head of the stream was not sent yet, so the failure still has a status of its own.
function sendLate(request: FastifyRequest, reply: FastifyReply, error: GatehouseError): void {
  const { exchange } = request;
  exchange.error ??= error;
  if (reply.raw.headersSent || reply.raw.destroyed) return;
  const headers = { ...headersOf(reply), 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  reply.raw.writeHead(error.status, headers).end(JSON.stringify(describeProblem(error, exchange.request_id)));
}
