import { z } from 'zod';

const rate = z.strictObject({
  per_minute: z.int().positive().optional().describe('Requests within any 60 seconds.'),
  per_hour: z.int().positive().optional().describe('Requests within any hour.'),
});
export type RateConfig = z.infer<typeof rate>;

const concurrencySchema = z.strictObject({
  per_caller: z.int().positive().default(128).describe('Calls in flight of one caller.'),
  per_caller_and_upstream: z
    .int()
    .positive()
    .default(64)
    .describe('Calls in flight of one caller to one upstream host, so that one that hangs leaves room for the others.'),
  per_tool: z.int().positive().default(256).describe('Calls in flight to one tool.'),
  per_upstream: z.int().positive().default(512).describe('Calls in flight to one upstream host.'),
});
export type ConcurrencyConfig = z.infer<typeof concurrencySchema>;

const breakerSchema = z.strictObject({
  failure_ratio: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe('The breaker of an upstream opens when this share of its calls failed.'),
  minimum_calls: z.int().positive().default(10).describe('It needs so many calls to judge.'),
  window_ms: z.int().min(100).max(3_600_000).default(10_000).describe('It looks at the calls of so many milliseconds.'),
  cool_down_ms: z
    .int()
    .min(10)
    .max(600_000)
    .default(5000)
    .describe('Open, it lets nothing through for so many milliseconds.'),
  probes: z.int().positive().max(100).default(2).describe('Good calls in a row, one at a time, that close it again.'),
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
  redis_url_variable: z
    .string()
    .min(1)
    .optional()
    .describe('Names the variable that holds the URL of Redis. Absent: everything is held in this process’s memory.'),
  timeout_ms: z
    .int()
    .min(10)
    .max(10_000)
    .default(250)
    .describe('Milliseconds that one command may take before Redis counts as away.'),
  on_failure: z
    .enum(['local', 'refuse'])
    .default('local')
    .describe(
      'While Redis is away: `local` goes on with limits of this process at the same rates, `refuse` refuses (503).',
    ),
  max_keys: z
    .int()
    .min(100)
    .max(10_000_000)
    .default(100_000)
    .describe('Keys that a limiter in memory holds; beyond them new keys are refused, never old ones forgotten.'),
  blocks_dir: z
    .string()
    .min(1)
    .optional()
    .describe('Without Redis: the folder that holds blocked callers, `blocks` beside the configuration unless set.'),
});
export type StateConfig = z.infer<typeof stateSchema>;
