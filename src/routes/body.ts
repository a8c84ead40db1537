import type { FastifyReply, FastifyRequest } from 'fastify';
import { GatehouseError } from '../core/index.js';
import { type BodySink, DivertibleMessage } from './incoming.js';

export type Hook = (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void;

/** What comes once the body is there. */
export interface BodyStage {
  readonly max_bytes: number;
  readonly validate: Hook;
  readonly handle: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> | undefined;
}

/**
 * The end of a route's `onRequest` hooks that goes on by itself: reads the body, validates, handles. Fastify would look up
 * a parser for the content type, of which there is one, make an async resource for it and copy the body: a fifth of a call.
 * What fails goes through Fastify's error handler as ever.
 */
export function createBodyStage(stage: BodyStage): Hook {
  return function readAndHandle(request, reply) {
    const body = new BodyReading(stage, request, reply);
    if (Number(request.headers['content-length']) > stage.max_bytes) body.refuse();
    else body.readFrom(request.raw);
  };
}

/** One body, and what is done with it. A caller that goes away meanwhile is the record's to notice: nothing is done then. */
class BodyReading implements BodySink {
  #first: Buffer | undefined;
  #chunks: Buffer[] | undefined;
  #size = 0;

  constructor(
    readonly stage: BodyStage,
    readonly request: FastifyRequest,
    readonly reply: FastifyReply,
  ) {}

  readFrom(raw: FastifyRequest['raw']): void {
    raw.on('error', ignore);
    if (raw instanceof DivertibleMessage && raw.divert(this)) return;
    raw.on('data', (chunk: Buffer) => this.add(chunk));
    raw.on('end', () => this.end());
  }

  add(chunk: Buffer): void {
    const { max_bytes } = this.stage;
    if (this.#size > max_bytes) return;
    this.#size += chunk.length;
    if (this.#size > max_bytes) this.refuse();
    else if (this.#first === undefined) this.#first = chunk;
    else if (this.#chunks === undefined) this.#chunks = [this.#first, chunk];
    else this.#chunks.push(chunk);
  }

  end(): void {
    const { stage, request, reply } = this;
    if (this.#size > stage.max_bytes) return;
    request.body = this.#chunks ? Buffer.concat(this.#chunks, this.#size) : this.#first;
    stage.validate(request, reply, (refused) => {
      if (refused) this.#fail(refused);
      else this.#handle();
    });
  }

  refuse(): void {
    // What else the client sends of it is no request.
    this.reply.header('connection', 'close');
    this.#fail(new GatehouseError('body_too_large'));
  }

  #handle(): void {
    try {
      this.stage.handle(this.request, this.reply)?.catch((error) => this.#fail(error));
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #fail(error: unknown): void {
    this.reply.send(error);
  }
}

function ignore(): void {}
