import { z } from 'zod';

/** The inputs of fixture.js as zod says them, for contenders that take no JSON Schema. */
export const zodInputs = z.strictObject({
  query: z.string().min(1).max(200),
  limit: z.int().min(1).max(100).optional(),
  language: z.string().max(8).optional(),
  in_stock: z.boolean().optional(),
  sort: z.enum(['price_ascending', 'price_descending', 'title']).optional(),
  max_price: z.number().optional(),
});
