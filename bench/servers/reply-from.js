/** @fastify/reply-from alone: hands a call on to the upstream, and no control at all. */
import replyFrom from '@fastify/reply-from';
import Fastify from 'fastify';

const { upstream } = JSON.parse(process.argv[2] ?? '{}');
const app = Fastify();
await app.register(replyFrom, { base: upstream });
app.post('/tools/:manual/:tool', (_request, reply) => reply.from('/search'));

for (const end of ['disconnect', 'SIGTERM']) process.once(end, () => process.exit());
await app.listen({ host: '127.0.0.1', port: 0 });
process.send({ port: app.server.address().port });
