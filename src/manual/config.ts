import { z } from 'zod';

/** What a UTCP tool has no field for. */
export const toolSettingsSchema = z.strictObject({
  required_scopes: z
    .array(z.string())
    .optional()
    .describe('Scopes that a token needs for this tool, beyond `tools:read` and `tools:execute`.'),
  timeout_ms: z
    .int()
    .positive()
    .max(600_000)
    .optional()
    .describe('Milliseconds for one call, upstream included; instead of the manual’s.'),
  log_arguments: z.array(z.string()).optional().describe('Arguments whose values the event of a call may show.'),
  honeypot: z.boolean().optional().describe('Listed to nobody; any call of it is an event of the highest severity.'),
  validate_outputs: z
    .boolean()
    .optional()
    .describe('Refuse (502) an answer outside the tool’s outputs schema. Default: where the schema says something.'),
  publish_as: z
    .array(z.enum(['http', 'sse', 'streamable_http']))
    .min(1)
    .optional()
    .describe('Forms that a streaming tool is published in. Default: `http`, the collected twin.'),
});
export type ToolSettingsConfig = z.infer<typeof toolSettingsSchema>;

const operationsSchema = z.strictObject({
  tags: z.array(z.string()).optional().describe('OpenAPI only: operations with one of these tags.'),
  paths: z.array(z.string()).optional().describe('OpenAPI only: by path, `*` stands for anything.'),
  methods: z.array(z.string()).optional().describe('OpenAPI only: by method.'),
});

/** One entry of `manuals`. */
export const manualEntrySchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, 'letters, digits and _, not starting with a digit')
    .describe('What policy, limits and logs call it, and its place at `/utcp/{name}`.'),
  source: z
    .string()
    .min(1)
    .describe(
      'File or https URL of a UTCP manual or an OpenAPI document, JSON or YAML; `mcp` for the tools of MCP servers.',
    ),
  base_url: z.string().optional().describe('OpenAPI only: where the API is, instead of the document’s own server.'),
  mcp: z
    .record(z.string(), z.json())
    .optional()
    .describe('`source: mcp` only: the servers whose tools become the manual ([mcp](protocols/mcp.md)).'),
  expose: z
    .enum(['routed', 'direct'])
    .default('routed')
    .describe('`routed`: calls pass through this server. `direct`: the template is served as it is written.'),
  prefix: z
    .string()
    .regex(/^([A-Za-z_]\w*)?$/)
    .default('')
    .describe('Put before each tool’s name.'),
  allow_private_hosts: z
    .array(z.string())
    .default([])
    .describe('Private, loopback, link-local or plain http upstreams that are allowed, by host.'),
  allow_unverified_tls_hosts: z
    .array(z.string())
    .default([])
    .describe('Hosts for which `verify_ssl: false` is taken; each is a warning in every `check`.'),
  tls: z
    .strictObject({
      ca_file: z.string().optional().describe('PEM file with the authorities that upstreams may be signed by.'),
      cert_file: z.string().optional().describe('PEM file with the certificate that upstreams are shown.'),
      key_file: z.string().optional().describe('PEM file with its private key.'),
    })
    .default({}),
  upstream_auth: z
    .record(z.string(), z.json())
    .optional()
    .describe(
      'How calls prove themselves to the upstream: `api_key`, `basic` or `oauth2`, as UTCP writes it. Never served.',
    ),
  sandbox: z
    .enum(['required', 'none'])
    .default('required')
    .describe('Whether programs (`cli`, stdio `mcp`) need the sandbox ([sandbox](sandbox.md)).'),
  timeout_ms: z.int().positive().max(600_000).default(30_000).describe('Milliseconds for one call, upstream included.'),
  max_response_bytes: z.int().positive().default(10_485_760).describe('Whole bytes of an upstream’s answer.'),
  max_retries: z
    .int()
    .min(0)
    .max(10)
    .default(2)
    .describe('How often a call that reads is tried again when its upstream could not be reached.'),
  max_streams_per_caller: z.int().positive().default(10).describe('Open streams of one caller.'),
  tools: z.record(z.string(), toolSettingsSchema).default({}),
  /** OpenAPI only: which operations become tools. */
  include: operationsSchema.optional(),
  exclude: operationsSchema.optional(),
});
export type ManualEntry = z.infer<typeof manualEntrySchema>;
