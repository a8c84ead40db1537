import { z } from 'zod';

export const securityLogSchema = z.strictObject({
  /** Absent: standard output. One process writes one file. */
  file: z.string().min(1).optional(),
  hash_chain: z.boolean().default(false),
  /** How long an event may wait in memory; the most that a crash of the process can lose. */
  flush_interval_ms: z.int().min(1).max(10_000).default(100),
  /** How long written events may wait for the disk; the most that a loss of power can lose. Files only. */
  sync_interval_ms: z.int().min(1).max(600_000).default(1000),
  /** What may wait in memory while the destination fails or stalls; beyond it events are lost, counted and reported. */
  max_buffered_bytes: z.int().min(65_536).max(1_073_741_824).default(8_388_608),
  /** A file that has grown beyond this becomes `file.1`, the one before it `file.2`, and so on. */
  max_file_bytes: z.int().min(65_536).default(104_857_600),
  /** Rotated files kept; the oldest beyond them is deleted. */
  max_files: z.int().min(1).max(10_000).default(10),
  /** `refuse`: while the destination fails, requests are refused rather than served unrecorded. */
  on_failure: z.enum(['continue', 'refuse']).default('continue'),
  /** An Ed25519 private key (PKCS #8 PEM) that signs checkpoints of the hash chain; from a file or a variable. */
  signing_key_file: z.string().min(1).optional(),
  signing_key_variable: z.string().min(1).optional(),
  /** A checkpoint is signed after so many events, and at the end. */
  checkpoint_every: z.int().min(1).max(1_000_000).default(1000),
});
export type SecurityLogConfig = z.infer<typeof securityLogSchema>;
