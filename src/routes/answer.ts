import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Gate } from '../pipeline/index.js';
import { Outbox } from './outbox.js';

/** Bodies of so many bytes are joined to their head. */
const copiedBytes = 8_192;

/** Header names and values in turn, as Node takes them. */
export type Head = readonly string[];

/** Puts the standard headers on every answer, whichever way it goes. */
export interface Answers {
  /** Answers whole. The fastest way there is; for what is answered at every request. */
  send(request: FastifyRequest, reply: FastifyReply, status: number, head: Head, body?: string | Buffer): void;
  /** Puts them on a reply; on those that go through Fastify it is done already. */
  dress(request: FastifyRequest, reply: FastifyReply): void;
}

/**
 * `is_guest`: the app is a part of another's, whose hooks may add to every answer, so all of them go through Fastify's
 * reply. Otherwise `send` hands Node the whole head as one list: Fastify would lower-case, look up and copy each header
 * of each answer, which costs more than all the checks of the request.
 */
export function createAnswers(gate: Gate, standard: Readonly<Record<string, string>>, is_guest: boolean): Answers {
  const dress: Answers['dress'] = (request, reply) => {
    reply.headers(standard).header('x-request-id', request.exchange.request_id);
    if (isLast(gate, request)) reply.header('connection', 'close');
  };
  const outbox = new Outbox();
  const list: Head = [...Object.entries(standard).flat(), 'x-request-id'];
  const send: Answers['send'] = is_guest
    ? (_request, reply, status, head, body) => void reply.code(status).headers(toRecord(head)).send(body)
    : (request, reply, status, head, body) => {
        const { raw } = reply;
        reply.hijack();
        const closing = isLast(gate, request) ? ['connection', 'close'] : [];
        raw.writeHead(status, [...list, request.exchange.request_id, ...closing, ...head]);
        // HTTP/2 gathers what it writes itself, and so gains nothing by waiting.
        if (request.raw.httpVersionMajor !== 1) {
          raw.end(body);
          return;
        }
        // Bytes as a text of as many characters, which goes out in one piece with the head.
        if (Buffer.isBuffer(body) && body.length <= copiedBytes) {
          outbox.end(raw, body.toString('latin1'), 'latin1');
          return;
        }
        // As many bytes as characters: it is ASCII, which goes out without being encoded.
        const isAscii = typeof body === 'string' && body.length === request.exchange.response_bytes;
        outbox.end(raw, body, isAscii ? 'latin1' : 'utf8');
      };
  return { send, dress };
}

/** Whether the connection takes no more requests. HTTP/2 has no such header; its connections were told to go away. */
function isLast(gate: Gate, request: FastifyRequest): boolean {
  return gate.leaving && request.raw.httpVersionMajor === 1;
}

function toRecord(head: Head): Record<string, string> {
  const record: Record<string, string> = {};
  for (let index = 0; index + 1 < head.length; index += 2) record[head[index] ?? ''] = head[index + 1] ?? '';
  return record;
}
