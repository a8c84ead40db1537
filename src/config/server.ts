import { z } from 'zod';
import { findPublicUrlProblem } from './base-path.js';
import { isNetwork } from './network.js';

const network = z.string().refine(isNetwork, 'an address or a network such as 10.0.0.0/8; not everyone (/0)');
const tlsVersion = z.enum(['TLSv1.2', 'TLSv1.3']);

const tlsSchema = z.strictObject({
  cert_file: z.string().describe('PEM file with the certificate chain.'),
  key_file: z.string().describe('PEM file with its private key.'),
  client_ca_file: z
    .string()
    .optional()
    .describe('PEM file with the authority that signs callers’ certificates; callers may then present one.'),
  min_version: tlsVersion.default('TLSv1.2').describe('The oldest TLS version that is spoken.'),
});

/** Connections that callers open at `/tools/{manual}/{tool}/ws`. */
const websocketSchema = z.strictObject({
  allowed_origins: z
    .array(z.url({ protocol: /^https?$/ }).transform((url) => new URL(url).origin))
    .default([])
    .describe('Origins that a browser may connect from; a request without an Origin header comes from no browser.'),
  max_connections_per_caller: z.int().positive().default(10).describe('Open connections of one caller.'),
  max_message_bytes: z.int().positive().default(1_048_576).describe('Whole bytes of one message.'),
  heartbeat_s: z
    .number()
    .positive()
    .max(3600)
    .default(30)
    .describe('Seconds between pings; a client that has not answered the last one when the next is due is gone.'),
});

/** When the process can't keep up, requests are refused (503) before all of them become slow. */
const sheddingSchema = z.strictObject({
  max_event_loop_delay_ms: z
    .int()
    .min(0)
    .default(250)
    .describe('Mean delay of the event loop, twice in a row, beyond which requests are refused with 503; 0: never.'),
  max_heap_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.9)
    .describe('Share of the largest heap that V8 allows, beyond which requests are refused with 503; 0: never.'),
  sample_interval_ms: z.int().min(20).max(10_000).default(500).describe('Milliseconds between two measurements.'),
});
export type SheddingConfig = z.infer<typeof sheddingSchema>;

/** `server`: read at start; a reload that changes it is refused with the reason. */
export const serverSchema = z.strictObject({
  host: z
    .string()
    .min(1)
    .default('127.0.0.1')
    .describe('Address that the public listener binds to. HOST in the environment wins.'),
  port: z
    .int()
    .min(0)
    .max(65_535)
    .default(8080)
    .describe('Its port; 0 takes any free one. PORT in the environment wins.'),
  public_url: z
    .url({ protocol: /^https?$/ })
    .superRefine((url, context) => {
      const problem = findPublicUrlProblem(url);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .transform((url) => url.replace(/\/+$/, ''))
    .optional()
    .describe(
      'What callers reach the server by; every published URL starts with it. Default: the listener’s own address.',
    ),
  trust_proxy: z
    .array(network)
    .default([])
    .describe('Addresses and networks whose forwarded headers are believed; from anywhere else they are ignored.'),
  tls: tlsSchema.optional(),
  http2: z
    .boolean()
    .default(false)
    .describe('HTTP/2 beside HTTP/1.1: by ALPN over TLS, by prior knowledge (h2c) in the clear.'),
  admin: z
    .strictObject({
      host: z.string().default('127.0.0.1').describe('Address of the admin listener: metrics and full readiness.'),
      port: z.int().min(0).max(65_535).default(9464).describe('Its port; never the public one.'),
    })
    .prefault({}),
  require_checklist: z
    .boolean()
    .default(false)
    .describe('Refuse to start while an item of the provider checklist fails (`gatehouse check`).'),
  max_body_bytes: z
    .int()
    .positive()
    .default(1_048_576)
    .describe('Whole bytes of a request body; a larger one is answered 413.'),
  headers_timeout_ms: z
    .int()
    .positive()
    .default(10_000)
    .describe('Milliseconds that a client may take to send its headers.'),
  request_timeout_ms: z
    .int()
    .positive()
    .default(30_000)
    .describe('Milliseconds that a client may take to send its whole request.'),
  keep_alive_timeout_ms: z
    .int()
    .positive()
    .default(72_000)
    .describe('Milliseconds that an idle connection stays open; longer than the gateway’s own.'),
  stall_timeout_ms: z
    .int()
    .positive()
    .default(30_000)
    .describe('Milliseconds that a reader may take nothing of an answer before its connection is cut.'),
  drain_delay_ms: z
    .int()
    .min(0)
    .max(600_000)
    .default(0)
    .describe('Milliseconds after SIGTERM that it serves on, not ready, so that gateways notice first.'),
  drain_timeout_ms: z
    .int()
    .min(0)
    .default(10_000)
    .describe('Milliseconds that calls in flight have to finish after SIGTERM.'),
  load_shedding: sheddingSchema.prefault({}),
  websocket: websocketSchema.prefault({}),
  manual_cache_bytes: z
    .int()
    .positive()
    .default(67_108_864)
    .describe(
      'Bytes that built manuals may hold, all views and codings together; search indexes may hold as much again.',
    ),
});
export type ServerConfig = z.infer<typeof serverSchema>;
