import fastify, { type FastifyInstance } from 'fastify';

/** What `/readyz?verbose` tells an operator. */
export interface Readiness {
  readonly status: 'ok' | 'degraded' | 'draining';
  readonly [part: string]: unknown;
}

/** Metrics in the Prometheus text format. */
export interface MetricsText {
  readonly content_type: string;
  render(): Promise<string>;
}

/** The admin listener's application: metrics and readiness in full. It has no authentication: keep it on loopback. */
export function createAdmin(metrics: MetricsText, readiness: () => Readiness | Promise<Readiness>): FastifyInstance {
  const admin = fastify({ logger: false, forceCloseConnections: true });
  admin.get('/metrics', async (_request, reply) => {
    const text = await metrics.render();
    return reply.header('content-type', metrics.content_type).send(text);
  });
  admin.get('/livez', (_request, reply) => reply.send({ status: 'ok' }));
  admin.get('/readyz', async (request, reply) => {
    const state = await readiness();
    const isVerbose = request.url.includes('?') && /[?&]verbose\b/.test(request.url);
    return reply.code(state.status === 'draining' ? 503 : 200).send(isVerbose ? state : { status: state.status });
  });
  return admin;
}
