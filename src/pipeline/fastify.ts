import type { Exchange } from './exchange.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the server's first hook on every request. */
    exchange: Exchange;
  }
}
