import { z } from 'zod';

const patterns = z.array(z.string().min(1)).default([]);

/** One role: what it lets a caller discover and call, by tool pattern (`books.*`) or tag (`tag:read`). */
const roleSchema = z.strictObject({
  discover: patterns.describe('What the role lists: tool patterns (`books.*`) and tags (`tag:read`).'),
  call: patterns.describe('What it may call, written likewise; all of it must also be in `discover`.'),
  deny: patterns.describe('What it never gets; beats every grant of any role.'),
  when: z
    .string()
    .min(1)
    .optional()
    .describe('CEL; the grants hold only while it is true. An evaluation error counts as false ([policy](policy.md)).'),
});
export type RoleConfig = z.infer<typeof roleSchema>;

export const policySchema = z.strictObject({
  roles: z.record(z.string().regex(/^[A-Za-z_][\w.-]*$/), roleSchema).default({}),
});
export type PolicyConfig = z.infer<typeof policySchema>;
