import type { FastifyInstance } from 'fastify';
import type { Gate } from '../pipeline/index.js';

/** `GET /livez` and `GET /readyz`: no credential, and nothing in the answer but whether. */
export function registerHealthRoutes(app: FastifyInstance, gate: Gate): void {
  app.get('/livez', (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const ready = !gate.leaving;
    return reply
      .code(ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ status: ready ? 'ok' : 'draining' });
  });
}
