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

/** `state`: where what replicas share is held. */
export const stateSchema = z.strictObject({
  /** Names the variable that holds the URL of Redis; absent: everything is held in this process's memory. */
  redis_url_variable: z.string().min(1).optional(),
  /** How long one command may take before Redis counts as away. */
  timeout_ms: z.int().min(10).max(10_000).default(250),
  /** While Redis is away: `local` goes on with limits of this process at the same rates, `refuse` refuses (503). */
  on_failure: z.enum(['local', 'refuse']).default('local'),
  /** Keys that a limiter in memory holds at most; beyond them new keys are refused, never old ones forgotten. */
  max_keys: z.int().min(100).max(10_000_000).default(100_000),
});
export type StateConfig = z.infer<typeof stateSchema>;
