import fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { gatehouse } from 'utcp-gatehouse';
import { z } from 'zod';
import { TicketStore, ticketShape } from './tickets.js';
import { defineTools } from './tools.js';

/** A web application as there are many, with routes of its own, that takes agents in under `/agents`. */
export async function buildApp(config: string): Promise<FastifyInstance> {
  const tickets = new TicketStore();
  const app = fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);

  const found = { 200: ticketShape, 404: z.object({ message: z.string() }) };
  const schema = { params: z.object({ id: z.string().max(20) }), response: found };
  app.withTypeProvider<ZodTypeProvider>().get('/tickets/:id', { schema }, async ({ params }, reply) => {
    const ticket = tickets.get(params.id);
    return ticket ?? reply.code(404).send({ message: 'There is no such ticket.' });
  });

  await app.register(gatehouse, { prefix: '/agents', config, tools: defineTools(tickets) });
  return app;
}
