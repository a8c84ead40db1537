/** The controls put together from plugins as their pages say: helmet, JWT, a rate limit and a request log. */
import { createHash } from 'node:crypto';
import helmet from '@fastify/helmet';
import jwt from '@fastify/jwt';
import rateLimit from '@fastify/rate-limit';
import Fastify from 'fastify';
import { callAnswer, inputs } from '../fixture.js';

const { manual, secret, log } = JSON.parse(process.argv[2] ?? '{}');
const app = Fastify({ logger: { file: log } });
await app.register(helmet);
await app.register(jwt, { secret, verify: { cache: true } });
await app.register(rateLimit, {
  max: 1_000_000_000,
  timeWindow: 60_000,
  hook: 'preHandler',
  keyGenerator: (request) => request.user.sub,
});
app.addHook('onRequest', (request) => request.jwtVerify());

app.get('/utcp', (request, reply) => {
  const { roles } = request.user;
  const tools = manual.tools.filter(({ tags }) => roles.some((role) => tags.includes(role)));
  const body = JSON.stringify({ ...manual, tools });
  const etag = `"${createHash('sha1').update(body).digest('base64')}"`;
  reply.header('etag', etag).header('content-type', 'application/json');
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply.send(body);
});
app.post('/tools/:manual/:tool', { schema: { body: inputs } }, (_request, reply) => reply.send(callAnswer));

for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit());
await app.listen({ host: '127.0.0.1', port: 0 });
process.send({ port: app.server.address().port });
