import { z } from 'zod';

/** `signing`: whether served manuals carry a signature. */
export const signingSchema = z.strictObject({
  key_file: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Private key in PEM, Ed25519 or P-256, that served manuals are signed with ([signing](signing.md)). Consumers pin its public half, so it outlives restarts.',
    ),
});
