import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Policy } from '../access/index.js';
import { GatehouseError } from '../core/index.js';
import type { AuthForm, ContentCoding, Representation, SearchQuery, View, Visibility } from '../manual/index.js';
import {
  authorizeDiscovery,
  createAuthenticate,
  createLimit,
  createMark,
  type Exchange,
  type Gate,
  readParams,
  requirePrincipal,
  traceStage,
} from '../pipeline/index.js';
import type { Answers } from './answer.js';
import { parseSearch } from './search-query.js';

/**
 * `GET /utcp` and `GET /utcp/:manual`: this caller's view, as bytes that were built once for all with its rights; with a
 * query, those of its tools that are asked for.
 */
export function registerManualRoutes(app: FastifyInstance, gate: Gate, answers: Answers): void {
  const serveManual = createManualHandler(answers);
  const stages = [
    traceStage(gate, 'authenticate', createAuthenticate(gate)),
    traceStage(gate, 'authorize', authorizeDiscovery),
    traceStage(gate, 'limit', createLimit(gate, 'discovery')),
  ];
  app.get('/utcp', { onRequest: [createMark(gate, 'manual', '/utcp'), ...stages] }, serveManual);
  const named = [createMark(gate, 'manual', '/utcp/:manual'), noteManual, ...stages];
  app.get('/utcp/:manual', { onRequest: named }, serveManual);
}

function noteManual(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  request.exchange.manual = readParams(request).manual || undefined;
  done();
}

function createManualHandler(answers: Answers) {
  return function serveManual(request: FastifyRequest, reply: FastifyReply): void {
    const { exchange, url } = request;
    const mark = url.indexOf('?');
    const isSearch = mark >= 0 && mark < url.length - 1;
    const representation = isSearch
      ? findTools(exchange, parseSearch(url.slice(mark + 1))).then((view) => encode(request, view))
      : encode(request, findView(exchange));
    if (representation instanceof Promise) {
      representation.then(
        (late) => send(answers, request, reply, late),
        (error) => reply.send(error),
      );
    } else send(answers, request, reply, representation);
  };
}

function encode(request: FastifyRequest, view: View): Representation | Promise<Representation> {
  request.exchange.tools_listed = view.tools;
  return view.encode(chooseCoding(request.headers['accept-encoding']));
}

/** The view that the exchange's caller has. Throws GatehouseError `not_found` for a manual that shows it nothing. */
function findView(exchange: Exchange): View {
  const { visibility, form } = requireView(exchange);
  const view = exchange.generation.publisher.view(visibility, form, exchange.manual);
  if (!view) throw new GatehouseError('not_found');
  return view;
}

/** What of the caller's view a query asks for. Throws as `findView` does. */
function findTools(exchange: Exchange, query: SearchQuery): Promise<View> {
  const { visibility, form } = requireView(exchange);
  return exchange.generation.publisher.search(visibility, form, exchange.manual, query);
}

function requireView(exchange: Exchange): { readonly visibility: Visibility; readonly form: AuthForm } {
  const { permissions } = exchange;
  if (!permissions) throw new GatehouseError('internal', { internal: 'a manual was asked for ahead of authorize' });
  // One look-up, whether there is no such manual or none for this caller: counting its tools would take longer.
  if (exchange.manual !== undefined && !permissions.manuals.has(exchange.manual)) throw new GatehouseError('not_found');
  const form = requirePrincipal(exchange).source === 'oauth' ? 'oauth' : 'bearer';
  const visibility = {
    key: permissions.key,
    isVisible: (tool: { index: number }) => Policy.isVisible(permissions, tool),
  };
  return { visibility, form };
}

function send(answers: Answers, request: FastifyRequest, reply: FastifyReply, representation: Representation): void {
  const { bytes, head, unchanged_head, etag } = representation;
  const condition = request.headers['if-none-match'];
  if (condition !== undefined && matchesEtag(condition, etag)) answers.send(request, reply, 304, unchanged_head);
  else answers.send(request, reply, 200, head, bytes);
}

/** If-None-Match (RFC 9110 section 13.1.2): weak comparison, since a gateway that compresses weakens our validator. */
export function matchesEtag(condition: string, etag: string): boolean {
  if (condition === etag || condition === '*') return true;
  return condition.split(',').some((candidate) => candidate.trim().replace(/^W\//, '') === etag);
}

const codings = new Map<string, ContentCoding>();

/** The coding that Accept-Encoding (RFC 9110 section 12.5.3) asks for; identity unless gzip or br is named. */
function chooseCoding(accepted: string | undefined): ContentCoding {
  if (accepted === undefined) return 'identity';
  const known = codings.get(accepted);
  if (known) return known;
  const chosen = parseAcceptEncoding(accepted);
  // Clients send a handful of different values; a sender of many must not grow this.
  if (codings.size < 256) codings.set(accepted, chosen);
  return chosen;
}

function parseAcceptEncoding(accepted: string): ContentCoding {
  const weights = new Map(
    accepted.split(',').map((part) => {
      const [name = '', ...parameters] = part.trim().toLowerCase().split(';');
      const quality = parameters.map((parameter) => /^\s*q=([\d.]+)\s*$/.exec(parameter)?.[1]).find(Boolean);
      return [name.trim(), quality === undefined ? 1 : Number(quality)];
    }),
  );
  const weigh = (name: string) => weights.get(name) ?? weights.get('*') ?? 0;
  const identity = weights.get('identity') ?? 0;
  // Brotli only where it is named: a client that says `*` may still break on it.
  const brotli = weights.get('br') ?? 0;
  const gzip = weigh('gzip');
  if (brotli > 0 && brotli >= gzip && brotli >= identity) return 'br';
  return gzip > 0 && gzip >= identity ? 'gzip' : 'identity';
}
