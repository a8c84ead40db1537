/** Fastify alone: routes that answer with prepared bytes and validate a call, and no control at all. */
import Fastify from 'fastify';
import { callAnswer, inputs } from '../fixture.js';

const { manual } = JSON.parse(process.argv[2] ?? '{}');
const bytes = Buffer.from(JSON.stringify(manual ?? {}));
const etag = `"${bytes.length.toString(36)}"`;
const app = Fastify();

app.get('/utcp', (request, reply) => {
  reply.header('etag', etag);
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply.header('content-type', 'application/json').send(bytes);
});
app.post('/tools/:manual/:tool', { schema: { body: inputs } }, (_request, reply) => reply.send(callAnswer));

for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit());
await app.listen({ host: '127.0.0.1', port: 0 });
process.send({ port: app.server.address().port });
