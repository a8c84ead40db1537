import { z } from 'zod';
import { LoadError, toPointer } from '../core/index.js';
import { stripBrackets } from './egress.js';
import { requestFields } from './http-template.js';
import type { ToolBinding } from './protocol.js';

const seconds = z.number().positive().max(3600);
// RFC 6455 section 4.1: a subprotocol is a token (RFC 9110 section 5.6.2).
const subprotocol = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'a subprotocol name (RFC 6455)');

/** UTCP's WebSocketCallTemplate (1.x) with the fields of its guide and its protocol page; an unknown field is refused. */
export const websocketTemplateSchema = z.strictObject({
  ...requestFields,
  call_template_type: z.literal('websocket'),
  /** What is sent; absent: the arguments that have no other place, as a JSON object. */
  message: z.json().optional(),
  protocol: subprotocol.nullish(),
  /** True: the connection waits for the same caller's next call. Either name. */
  keep_alive: z.boolean().optional(),
  close_after_response: z.boolean().optional(),
  /** `json` refuses text that is not JSON, `text` hands text on as strings; absent or `raw`: JSON stays JSON. */
  response_format: z.enum(['json', 'text', 'raw']).nullish(),
  /** How many messages answer one call; -1: all until the upstream closes. */
  expected_responses: z.union([z.literal(-1), z.int().positive().max(1_000_000)]).default(1),
  /** After so many messages the call ends, whatever it expects. */
  max_events: z.int().positive().max(1_000_000).default(10_000),
  /** Whole bytes that one message may have; at most what one answer may have. */
  max_size: z.int().positive().optional(),
  connection_timeout: seconds.default(10),
  /** Seconds until the next message must come. */
  response_timeout: seconds.default(30),
  /** Seconds for the whole call. */
  timeout: seconds.nullish(),
  ping_interval: seconds.default(30),
});
export type WebsocketTemplate = z.infer<typeof websocketTemplateSchema>;

const loopback: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * `ws:` stays on this machine: its host must be a loopback literal, compared whole, whatever allow_private_hosts names
 * (GHSA-ppx3-28rw-8fpf: a comparison of beginnings let `ws://localhost.evil.com` pass). Throws LoadError.
 */
export function requireSecureWebsocket(url: URL, binding: ToolBinding): void {
  if (url.protocol === 'wss:' || loopback.has(stripBrackets(url.hostname))) return;
  throw LoadError.of({
    rule: 'websocket-plain-text',
    file: binding.file,
    pointer: `${binding.pointer}/url`,
    message: 'The URL sends calls and credentials in plain text.',
    mend: 'Use wss; ws is for localhost, 127.0.0.1 and ::1 alone.',
  });
}

/** Throws LoadError for a header that belongs to the handshake itself. */
export function refuseHandshakeHeaders(template: WebsocketTemplate, binding: ToolBinding): void {
  const authored = Object.keys(template.headers ?? {}).map((name) => [name, toPointer('headers', name)] as const);
  const fields = (template.header_fields ?? []).map((name) => [name, '/header_fields'] as const);
  for (const [name, pointer] of [...authored, ...fields]) {
    if (!/^sec-websocket-/i.test(name)) continue;
    throw LoadError.of({
      rule: 'header-reserved',
      file: binding.file,
      pointer: binding.pointer + pointer,
      message: `${name} belongs to the handshake and cannot be set.`,
      mend: 'Take it out; a subprotocol stands in protocol.',
    });
  }
}
