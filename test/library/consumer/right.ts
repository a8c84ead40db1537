// What a program may write: this file compiles.
import fastify from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { defineTool, gatehouse, type LocalTool } from 'utcp-gatehouse';
import { z } from 'zod';

const order = defineTool({
  manual: 'shop',
  name: 'order',
  description: 'Orders a book.',
  inputs: z.object({
    isbn: z.string(),
    copies: z.int().default(1),
    day: z.string().transform((text) => new Date(text)),
    gift: z.boolean().optional(),
  }),
  outputs: z.object({ id: z.string(), total: z.number().optional() }),
  tags: ['books'],
  required_scopes: ['shop:write'],
  handler: async ({ isbn, copies, day, gift }, { caller, signal, request_id, tool }) => {
    const texts: string[] = [isbn, caller.id, request_id, tool, day.toISOString()];
    const count: number = copies;
    const isGift: boolean | undefined = gift;
    signal.throwIfAborted();
    return isGift ? { id: texts.join() } : { id: '1', total: count };
  },
});

const withoutOutputs: LocalTool = defineTool({
  manual: 'shop',
  name: 'ping',
  description: 'Pings.',
  inputs: z.strictObject({}),
  handler: () => 'anything',
});

const tools = [order, withoutOutputs];
const config = { callers: [{ id: 'alice', roles: ['user'] }], policy: { roles: { user: { discover: ['shop.*'] } } } };

export const plain = fastify({ logger: true }).register(gatehouse, { prefix: '/agents', config, tools });
export const secure = fastify({ https: {} }).register(gatehouse, { config: './gatehouse.yaml' });
export const typed = fastify()
  .setValidatorCompiler(validatorCompiler)
  .setSerializerCompiler(serializerCompiler)
  .withTypeProvider<ZodTypeProvider>()
  .register(gatehouse, { config, tools, report: (line) => line.length });
