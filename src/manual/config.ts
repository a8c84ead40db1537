import { z } from 'zod';

/** What a UTCP tool has no field for. */
export const toolSettingsSchema = z.strictObject({
  required_scopes: z.array(z.string()).optional(),
  timeout_ms: z.int().positive().max(600_000).optional(),
  log_arguments: z.array(z.string()).optional(),
  honeypot: z.boolean().optional(),
  validate_outputs: z.boolean().optional(),
  publish_as: z
    .array(z.enum(['http', 'sse', 'streamable_http']))
    .min(1)
    .optional(),
});
export type ToolSettingsConfig = z.infer<typeof toolSettingsSchema>;

/** One entry of `manuals`. */
export const manualEntrySchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z_]\w*$/, 'letters, digits and _, not starting with a digit'),
  source: z.string().min(1),
  base_url: z.string().optional(),
  /** `source: mcp` only: the servers whose tools become the manual (docs/protocols/mcp.md). */
  mcp: z.record(z.string(), z.json()).optional(),
  expose: z.enum(['routed', 'direct']).default('routed'),
  prefix: z
    .string()
    .regex(/^([A-Za-z_]\w*)?$/)
    .default(''),
  allow_private_hosts: z.array(z.string()).default([]),
  allow_unverified_tls_hosts: z.array(z.string()).default([]),
  tls: z
    .strictObject({ ca_file: z.string().optional(), cert_file: z.string().optional(), key_file: z.string().optional() })
    .default({}),
  upstream_auth: z.record(z.string(), z.json()).optional(),
  sandbox: z.enum(['required', 'none']).default('required'),
  timeout_ms: z.int().positive().max(600_000).default(30_000),
  max_response_bytes: z.int().positive().default(10_485_760),
  max_retries: z.int().min(0).max(10).default(2),
  max_streams_per_caller: z.int().positive().default(10),
  tools: z.record(z.string(), toolSettingsSchema).default({}),
  /** OpenAPI only: which operations become tools. */
  include: z
    .strictObject({
      tags: z.array(z.string()).optional(),
      paths: z.array(z.string()).optional(),
      methods: z.array(z.string()).optional(),
    })
    .optional(),
  exclude: z
    .strictObject({
      tags: z.array(z.string()).optional(),
      paths: z.array(z.string()).optional(),
      methods: z.array(z.string()).optional(),
    })
    .optional(),
});
export type ManualEntry = z.infer<typeof manualEntrySchema>;
