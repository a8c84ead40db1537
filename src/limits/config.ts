import { z } from 'zod';

const rate = z.strictObject({
  per_minute: z.int().positive().optional(),
  per_hour: z.int().positive().optional(),
});
export type RateConfig = z.infer<typeof rate>;

const concurrencySchema = z.strictObject({
  /** Calls in flight at once: of one caller, to one tool, to one upstream host. */
  per_caller: z.int().positive().default(64),
  per_tool: z.int().positive().default(256),
  per_upstream: z.int().positive().default(512),
});
export type ConcurrencyConfig = z.infer<typeof concurrencySchema>;

const breakerSchema = z.strictObject({
  /** Opens when this share of the calls of `window_ms`, at least `minimum_calls`, failed. */
  failure_ratio: z.number().gt(0).max(1).default(0.5),
  minimum_calls: z.int().positive().default(10),
  window_ms: z.int().min(100).max(3_600_000).default(10_000),
  cool_down_ms: z.int().min(10).max(600_000).default(5000),
  /** Good calls in a row, one at a time, that close it again. */
  probes: z.int().positive().max(100).default(2),
});
export type BreakerConfig = z.infer<typeof breakerSchema>;

export const limitsSchema = z.strictObject({
  per_caller: rate.prefault({ per_minute: 60, per_hour: 1000 }),
  /** By `manual.tool`; counted for each caller apart. */
  per_tool: z.record(z.string(), rate).default({}),
  auth_failures_per_address: rate.prefault({ per_minute: 20 }),
  /** Failures that claimed to be one configured caller, from all addresses together. A right credential always passes. */
  auth_failures_per_caller: rate.prefault({ per_minute: 60 }),
  concurrency: concurrencySchema.prefault({}),
  /** Of each upstream host. */
  circuit_breaker: breakerSchema.prefault({}),
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
