import { z } from 'zod';

/** What can be unusual about a caller; the `reason` of `anomaly.detected`. Closed: docs/anomalies.md explains each. */
export const anomalyKinds = [
  'rate_spike',
  'first_use',
  'refusal_burst',
  'unknown_tool_sweep',
  'payload_size',
  'address_spread',
  'honeypot',
] as const;
export type AnomalyKind = (typeof anomalyKinds)[number];

const action = z.enum(['log', 'webhook', 'block']);
export type AnomalyAction = z.infer<typeof action>;

const actionsSchema = z.partialRecord(z.enum(anomalyKinds), z.array(action)).default({});

const webhookSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .refine(isGuarded, 'must be https, unless it is a loopback address')
    .describe('Where findings are sent: https, or http to a loopback address.'),
  secret_variable: z.string().min(1).describe('Names the variable that holds the key of the signature.'),
  timeout_ms: z.int().min(100).max(60_000).default(5000).describe('Milliseconds for one try.'),
  max_tries: z.int().min(1).max(20).default(6).describe('Tries in all, ever further apart.'),
  max_queue: z
    .int()
    .min(1)
    .max(100_000)
    .default(1000)
    .describe('Findings that may wait; beyond them new ones are not sent, and that is reported.'),
});
export type WebhookConfig = z.infer<typeof webhookSchema>;

/** `anomalies`: what is unusual, and what is done about it. */
export const anomaliesSchema = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether anything is learned and found.'),
    max_profiles: z
      .int()
      .min(10)
      .max(1_000_000)
      .default(10_000)
      .describe('Callers, credentials and addresses remembered, each; the longest unseen are forgotten beyond it.'),
    learning_requests: z
      .int()
      .positive()
      .default(100)
      .describe('A caller’s habits count as known after so many requests,'),
    learning_ms: z.int().min(0).default(3_600_000).describe('and after so many milliseconds.'),
    quiet_ms: z.int().min(0).default(600_000).describe('One finding of a kind for a caller in so many milliseconds.'),
    /** More requests in 10 s than the caller's mean by so many standard deviations, and than `minimum`. */
    rate_spike: z
      .strictObject({
        deviations: z.number().positive().default(6).describe('More in 10 s than the mean by so many deviations,'),
        minimum: z.int().positive().default(30).describe('and at least so many.'),
      })
      .prefault({}),
    /** More refusals in a minute than `minimum`, and than three times what is usual. */
    refusal_burst: z
      .strictObject({
        minimum: z.int().positive().default(15).describe('Refusals in a minute, and three times what is usual.'),
      })
      .prefault({}),
    /** Different names of unknown tools within an hour. */
    unknown_tool_sweep: z
      .strictObject({ names: z.int().min(2).max(32).default(8).describe('Different unknown names within an hour.') })
      .prefault({}),
    /** Larger than usual for caller and tool by so many standard deviations (of the logarithm), `factor` and `minimum_bytes`. */
    payload_size: z
      .strictObject({
        deviations: z.number().positive().default(5).describe('Larger than usual by so many deviations,'),
        factor: z.number().min(1).default(5).describe('so many times,'),
        minimum_bytes: z.int().positive().default(32_768).describe('and so many bytes.'),
      })
      .prefault({}),
    /** Addresses (networks of an IPv6 subscriber) that one credential may come from within an hour. */
    address_spread: z
      .strictObject({
        addresses: z
          .int()
          .min(1)
          .max(100)
          .default(8)
          .describe('Networks that one credential may come from in an hour.'),
      })
      .prefault({}),
    actions: actionsSchema.describe('What is done beyond the event, by kind of finding ([anomalies](anomalies.md)).'),
    block_ms: z.int().min(1000).default(900_000).describe('Milliseconds that `block` lasts.'),
    webhook: webhookSchema.optional(),
  })
  .refine(({ actions, webhook }) => webhook !== undefined || !Object.values(actions).flat().includes('webhook'), {
    error: 'an action is webhook, but no webhook is configured',
    path: ['webhook'],
  });
export type AnomaliesConfig = z.infer<typeof anomaliesSchema>;

function isGuarded(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}
