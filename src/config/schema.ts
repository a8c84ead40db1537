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

const network = z.string().regex(/^[0-9a-fA-F.:]+(\/\d{1,3})?$/, 'an address or a network such as 10.0.0.0/8');
const tlsVersion = z.enum(['TLSv1.2', 'TLSv1.3']);

const tlsSchema = z.strictObject({
  cert_file: z.string(),
  key_file: z.string(),
  /** Callers may present certificates that this authority signed. */
  client_ca_file: z.string().optional(),
  min_version: tlsVersion.default('TLSv1.2'),
});

/** Connections that callers open at `/tools/{manual}/{tool}/ws`. */
const websocketSchema = z.strictObject({
  /** Origins that a browser may connect from; a request without an Origin header comes from no browser. */
  allowed_origins: z.array(z.url({ protocol: /^https?$/ }).transform((url) => new URL(url).origin)).default([]),
  max_connections_per_caller: z.int().positive().default(10),
  max_message_bytes: z.int().positive().default(1_048_576),
  /** Seconds between pings; a client that has not answered the last one when the next is due is gone. */
  heartbeat_s: z.number().positive().max(3600).default(30),
});

/** `server`: read at start; a reload that changes it is refused with the reason. */
export const serverSchema = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(8080),
  public_url: z
    .url({ protocol: /^https?$/ })
    .transform((url) => url.replace(/\/+$/, ''))
    .optional(),
  trust_proxy: z.array(network).default([]),
  tls: tlsSchema.optional(),
  admin: z
    .strictObject({ host: z.string().default('127.0.0.1'), port: z.int().min(0).max(65_535).default(9464) })
    .prefault({}),
  require_checklist: z.boolean().default(false),
  max_body_bytes: z.int().positive().default(1_048_576),
  /** Whole milliseconds that a client may take to send its headers, and its whole request. */
  headers_timeout_ms: z.int().positive().default(10_000),
  request_timeout_ms: z.int().positive().default(30_000),
  keep_alive_timeout_ms: z.int().positive().default(72_000),
  /** Whole milliseconds that calls in flight have to finish after SIGTERM. */
  drain_timeout_ms: z.int().min(0).default(10_000),
  websocket: websocketSchema.prefault({}),
  /** Bytes that built manuals may hold, all views and codings together. */
  manual_cache_bytes: z.int().positive().default(67_108_864),
});
export type ServerConfig = z.infer<typeof serverSchema>;

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
  /** Serves the bundled example upstream on a loopback port, for a first look. */
  example: z.enum(['bookshop']).optional(),
});
export type GatehouseConfig = z.infer<typeof configSchema>;
