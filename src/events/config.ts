import { z } from 'zod';

export const securityLogSchema = z.strictObject({
  /** Absent: standard output. */
  file: z.string().min(1).optional(),
  hash_chain: z.boolean().default(false),
});
export type SecurityLogConfig = z.infer<typeof securityLogSchema>;
