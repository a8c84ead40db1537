import fastify, { type FastifyInstance } from 'fastify';
import type { ServerConfig } from '../config/index.js';
import { codeOf } from '../core/index.js';

/** What `/readyz?verbose` tells an operator. */
export interface Readiness {
  readonly status: 'ok' | 'degraded' | 'draining';
  readonly [part: string]: unknown;
}

/** Metrics in the Prometheus text format. */
interface MetricsText {
  readonly content_type: string;
  render(): Promise<string>;
}

/** What the admin listener shows, and where it listens. */
interface AdminParts {
  readonly metrics: MetricsText;
  readonly readiness: () => Readiness | Promise<Readiness>;
  readonly place: ServerConfig['admin'];
  /** Takes a line for the operator. */
  readonly report: (line: string) => void;
}

/** The admin listener: metrics and readiness in full. It has no authentication: keep it on loopback. */
export class AdminListener {
  readonly #app: FastifyInstance;
  readonly #place: ServerConfig['admin'];
  readonly #report: (line: string) => void;

  constructor({ metrics, readiness, place, report }: AdminParts) {
    this.#app = createAdmin(metrics, readiness);
    this.#place = place;
    this.#report = report;
  }

  /** Where it is; undefined while it is not listening. */
  get url(): string | undefined {
    const address = this.#app.server.address();
    return typeof address === 'object' && address ? `http://${this.#place.host}:${address.port}` : undefined;
  }

  /** Listens. Metrics are worth less than service: a port that is taken is told, and the server goes on without them. */
  async listen(): Promise<void> {
    const { host, port } = this.#place;
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      const code = codeOf(error) ?? 'unknown';
      this.#report(
        `The admin listener cannot open ${host}:${port} (${code}); set server.admin.port. There are no metrics.`,
      );
    }
  }

  async close(): Promise<void> {
    await this.#app.close();
  }
}

function createAdmin(metrics: MetricsText, readiness: () => Readiness | Promise<Readiness>): FastifyInstance {
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
