import { z } from 'zod';

export const securityLogSchema = z.strictObject({
  file: z
    .string()
    .min(1)
    .optional()
    .describe('Where the log goes; one process writes one file. Absent: standard output.'),
  hash_chain: z.boolean().default(false).describe('Each line holds the digest of the one before ([audit](audit.md)).'),
  flush_interval_ms: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe('Milliseconds that an event may wait in memory; the most that a crash of the process can lose.'),
  sync_interval_ms: z
    .int()
    .min(1)
    .max(600_000)
    .default(1000)
    .describe(
      'Milliseconds that written events may wait for the disk; the most that a loss of power can lose. Files only.',
    ),
  max_buffered_bytes: z
    .int()
    .min(65_536)
    .max(1_073_741_824)
    .default(8_388_608)
    .describe('What may wait in memory while the destination fails; beyond it events are lost, counted and reported.'),
  max_file_bytes: z
    .int()
    .min(65_536)
    .default(104_857_600)
    .describe('A file beyond this becomes `file.1`, the one before it `file.2`, and so on.'),
  max_files: z.int().min(1).max(10_000).default(10).describe('Rotated files kept; the oldest beyond them is deleted.'),
  on_failure: z
    .enum(['continue', 'refuse'])
    .default('continue')
    .describe('`refuse`: while the destination fails, requests are refused rather than served unrecorded.'),
  signing_key_file: z
    .string()
    .min(1)
    .optional()
    .describe('Ed25519 private key (PKCS #8 PEM) that signs checkpoints of the chain.'),
  signing_key_variable: z.string().min(1).optional().describe('The same key, by the name of a variable.'),
  checkpoint_every: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(1000)
    .describe('A checkpoint is signed after so many events, and at the end.'),
});
export type SecurityLogConfig = z.infer<typeof securityLogSchema>;
