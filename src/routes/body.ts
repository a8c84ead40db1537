import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatehouseError } from '../core/index.js';

export type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void;

/**
 * The end of a route's `onRequest` hooks that goes on by itself: reads the body, validates, handles. Fastify would look up
 * a parser for the content type, of which there is one, make an async resource for it and copy the body: a fifth of a call.
 * What fails goes through Fastify's error handler as ever.
 */
export function createBodyStage(
  max_bytes: number,
  validate: Hook,
  handle: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> | undefined,
): Hook {
  return function readAndHandle(request, reply) {
    const fail = (error: unknown) => void reply.send(error);
    readBody(request, max_bytes, (error, body) => {
      if (error) {
        // What else the client sends of it is no request.
        reply.header('connection', 'close');
        return fail(error);
      }
      request.body = body;
      validate(request, reply, (refused) => {
        if (refused) return fail(refused);
        try {
          handle(request, reply)?.catch(fail);
        } catch (thrown) {
          fail(thrown);
        }
      });
    });
  };
}

/** Reads a body whole. A caller that goes away meanwhile is the record's to notice: nothing is called back then. */
function readBody(
  { raw, headers }: FastifyRequest,
  max_bytes: number,
  done: (error: GatehouseError | undefined, body?: Buffer) => void,
): void {
  if (Number(headers['content-length']) > max_bytes) return done(new GatehouseError('body_too_large'));
  let first: Buffer | undefined;
  let chunks: Buffer[] | undefined;
  let size = 0;
  raw.on('error', ignore);
  raw.on('data', (chunk: Buffer) => {
    if (size > max_bytes) return;
    size += chunk.length;
    if (size > max_bytes) done(new GatehouseError('body_too_large'));
    else if (first === undefined) first = chunk;
    else if (chunks === undefined) chunks = [first, chunk];
    else chunks.push(chunk);
  });
  raw.on('end', () => {
    if (size <= max_bytes) done(undefined, chunks ? Buffer.concat(chunks, size) : first);
  });
}

function ignore(): void {}
