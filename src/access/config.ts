import { z } from 'zod';

const patterns = z.array(z.string().min(1)).default([]);

/** One role: what it lets a caller discover and call, by tool pattern (`books.*`) or tag (`tag:read`). */
export const roleSchema = z.strictObject({
  discover: patterns,
  call: patterns,
  /** Beats every grant of any role. */
  deny: patterns,
  /** CEL; the role's grants hold only while it is true. An evaluation error counts as false. */
  when: z.string().min(1).optional(),
});
export type RoleConfig = z.infer<typeof roleSchema>;

export const policySchema = z.strictObject({
  roles: z.record(z.string().regex(/^[A-Za-z_][\w.-]*$/), roleSchema).default({}),
});
export type PolicyConfig = z.infer<typeof policySchema>;
