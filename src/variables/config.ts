import { z } from 'zod';

export const variablesSchema = z.strictObject({
  allowed_prefixes: z
    .array(z.string().min(1))
    .min(1)
    .default(['UTCP_', 'API_'])
    .describe('A variable whose name starts otherwise is never read.'),
  dotenv_file: z.string().optional().describe('File with `NAME=value` lines.'),
  secrets_dir: z
    .string()
    .optional()
    .describe('Folder with one file a variable; wins over the dotenv file, the environment over both.'),
  max_length: z.int().positive().default(10_000).describe('Characters that a value may have.'),
});
