// What a program may not write. Each line that ends in an error code has that error, and no other line has any.
import fastify from 'fastify';
import { defineTool, gatehouse } from 'utcp-gatehouse';
import { z } from 'zod';

const base = { manual: 'shop', name: 'order', description: 'Orders.', inputs: z.object({ isbn: z.string() }) };

defineTool({ ...base, outputs: z.number(), handler: ({ isbn }) => isbn }); // TS2322
defineTool({ ...base, outputs: z.number(), handler: async ({ isbn }) => isbn }); // TS2322
defineTool({ ...base, outputs: z.object({ id: z.string() }), handler: () => ({}) }); // TS2322
defineTool({ ...base, handler: ({ title }) => title }); // TS2339
defineTool({ ...base, handler: ({ isbn }) => isbn.toFixed() }); // TS2551
defineTool({ ...base, inputs: z.string(), handler: () => 1 }); // TS2740
defineTool({ ...base, handler: (_args, { principal }) => principal }); // TS2339
defineTool({ ...base, tag: 'books', handler: () => 1 }); // TS2561
defineTool({ ...base }); // TS2741

export const app = fastify();
app.register(gatehouse, { tools: [] }); // TS2769
app.register(gatehouse, { config: { sever: {} } }); // TS2769
app.register(gatehouse, { config: './gatehouse.yaml', tools: [{ name: 'order' }] }); // TS2769
