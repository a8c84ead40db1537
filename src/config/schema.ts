import { z } from 'zod';
import { policySchema } from '../access/config.js';
import { authSchema, callerSchema } from '../auth/config.js';
import { securityLogSchema } from '../events/config.js';
import { anomaliesSchema } from '../limits/anomaly-config.js';
import { limitsSchema, stateSchema } from '../limits/config.js';
import { manualEntrySchema } from '../manual/config.js';
import { mcpSettingsSchema } from '../protocols/mcp-config.js';
import { signingSchema } from '../signing/config.js';
import { variablesSchema } from '../variables/config.js';
import { serverSchema } from './server.js';
import { tracingSchema } from './tracing.js';

/** `gatehouse.yaml`, whole. Every object is strict: an unknown key fails the load. */
export const configSchema = z.strictObject({
  server: serverSchema.prefault({}),
  manuals: z.array(manualEntrySchema).default([]),
  variables: variablesSchema.prefault({}),
  policy: policySchema.prefault({}),
  callers: z.array(callerSchema).default([]),
  auth: authSchema.prefault({}),
  limits: limitsSchema.prefault({}),
  anomalies: anomaliesSchema.prefault({}),
  state: stateSchema.prefault({}),
  mcp: mcpSettingsSchema.prefault({}),
  signing: signingSchema.prefault({}),
  security_log: securityLogSchema.prefault({}),
  tracing: tracingSchema.optional(),
  example: z
    .enum(['bookshop'])
    .optional()
    .describe('Serves the bundled example upstream on a loopback port, for a first look.'),
});
export type GatehouseConfig = z.infer<typeof configSchema>;
