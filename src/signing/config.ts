import { z } from 'zod';

/** `signing`: whether served manuals carry a signature. */
export const signingSchema = z.strictObject({
  /** Private key in PEM, Ed25519 or P-256; consumers pin its public half, so it outlives restarts. */
  key_file: z.string().min(1).optional(),
});
