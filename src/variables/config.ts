import { z } from 'zod';

export const variablesSchema = z.strictObject({
  allowed_prefixes: z.array(z.string().min(1)).min(1).default(['UTCP_', 'API_']),
  dotenv_file: z.string().optional(),
  secrets_dir: z.string().optional(),
  max_length: z.int().positive().default(10_000),
});
export type VariablesConfig = z.infer<typeof variablesSchema>;
