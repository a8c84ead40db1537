import { z } from 'zod';

const rate = z.strictObject({
  per_minute: z.int().positive().optional(),
  per_hour: z.int().positive().optional(),
});
export type RateConfig = z.infer<typeof rate>;

export const limitsSchema = z.strictObject({
  per_caller: rate.prefault({ per_minute: 60, per_hour: 1000 }),
  /** By `manual.tool`; counted for each caller apart. */
  per_tool: z.record(z.string(), rate).default({}),
  auth_failures_per_address: rate.prefault({ per_minute: 20 }),
});
export type LimitsConfig = z.infer<typeof limitsSchema>;
