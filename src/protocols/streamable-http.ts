import { z } from 'zod';
import type { PreparedCall, StreamItem } from '../core/index.js';
import { isJsonType, mediaType } from './http-body.js';
import { TokenSources } from './http-oauth.js';
import { UpstreamOrigins } from './http-origin.js';
import { RequestPlan } from './http-request.js';
import { encodeResult } from './http-result.js';
import { requestFields } from './http-template.js';
import type { Protocol, ProtocolDependencies, ToolBinding } from './protocol.js';
import { StreamCall, type StreamReader } from './stream-call.js';
import type { StreamExchange } from './stream-exchange.js';
import { collectJsonArray, toJsonText } from './stream-json.js';
import { ByteBudget, StreamSlots } from './stream-limits.js';
import { LineSplitter } from './stream-lines.js';

/** UTCP's StreamableHttpCallTemplate (1.x); an unknown field is refused. */
const streamableHttpTemplateSchema = z.strictObject({
  ...requestFields,
  call_template_type: z.literal('streamable_http'),
  http_method: z.enum(['GET', 'POST']).default('GET'),
  content_type: z.string().min(1).optional(),
  body_field: z.string().nullish(),
  /** Bytes of one item, where the upstream streams bytes; at most what fits an NDJSON line in base64. */
  chunk_size: z.int().positive().max(65_536).default(4096),
  /** Milliseconds for the whole stream, as UTCP's own schema says. */
  timeout: z.number().positive().max(3_600_000).default(60_000),
  /** Milliseconds without a byte of the upstream. */
  idle_timeout: z.number().positive().max(3_600_000).default(60_000),
});
export type StreamableHttpTemplate = z.infer<typeof streamableHttpTemplateSchema>;

const accept = 'application/x-ndjson, application/json;q=0.9, */*;q=0.8';
/** The outward cap of an NDJSON line: what could not be handed on is refused where it comes in. */
const maxLineBytes = 128 * 1024;
const lineTypes: ReadonlySet<string> = new Set(['application/x-ndjson', 'application/ndjson', 'application/jsonl']);

/**
 * UTCP's `streamable_http` protocol: an upstream that answers in NDJSON, one item a line, or in bytes, one item a chunk.
 * The `http` twin answers with the JSON array of the lines, or with the whole body as `http` would.
 */
export function createStreamableHttpProtocol(deps: ProtocolDependencies): Protocol<StreamableHttpTemplate> {
  const origins = new UpstreamOrigins(deps);
  const tokens = new TokenSources();
  return {
    type: 'streamable_http',
    schema: streamableHttpTemplateSchema,
    prepare: (template, binding) => prepareCall(template, binding, origins, tokens),
    retain: (inUse) => origins.retain(inUse),
    health: () => origins.health(),
    close: () => origins.close(),
  };
}

function prepareCall(
  template: StreamableHttpTemplate,
  binding: ToolBinding,
  origins: UpstreamOrigins,
  tokens: TokenSources,
): PreparedCall {
  // UTCP's default type has no encoding for arguments; JSON has one for all of them.
  const request = { ...template, content_type: template.content_type ?? 'application/json' };
  const plan = new RequestPlan(request, binding, { accept });
  return new StreamCall({
    plan,
    origin: origins.get(plan.upstream),
    tokens: plan.grant && tokens.get(plan.grant, origins.get(plan.grant.upstream)),
    tool: binding.tool,
    timeout_ms: Math.min(binding.timeout_ms, template.timeout),
    idle_timeout_ms: template.idle_timeout,
    slots: new StreamSlots(binding.settings.max_streams_per_caller),
    reader: new BodyReader(template.chunk_size, binding.settings.max_response_bytes),
  });
}

class BodyReader implements StreamReader {
  constructor(
    readonly chunkSize: number,
    readonly maxBytes: number,
  ) {}

  read(exchange: StreamExchange): AsyncIterable<StreamItem> {
    const type = mediaType(exchange.headers['content-type'] ?? '');
    if (lineTypes.has(type)) return this.#readLines(exchange);
    return isJsonType(type) ? this.#readWhole(exchange) : this.#readChunks(exchange);
  }

  async collect(exchange: StreamExchange): Promise<Buffer> {
    if (lineTypes.has(mediaType(exchange.headers['content-type'] ?? ''))) {
      return collectJsonArray(this.#readLines(exchange));
    }
    return encodeResult(await this.#readBody(exchange), exchange.headers);
  }

  async *#readLines(exchange: StreamExchange): AsyncGenerator<StreamItem> {
    const splitter = new LineSplitter('lf', maxLineBytes);
    for await (const chunk of this.#readBytes(exchange)) {
      for (const line of splitter.split(chunk)) {
        exchange.throwIfStopped();
        if (line.trim() !== '') yield { data: toJsonText(line.trim(), 'json') };
      }
    }
    const rest = splitter.rest()?.trim();
    if (rest) yield { data: toJsonText(rest, 'json') };
  }

  async *#readChunks(exchange: StreamExchange): AsyncGenerator<StreamItem> {
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of this.#readBytes(exchange)) {
      const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const whole = bytes.length - (bytes.length % this.chunkSize);
      for (let start = 0; start < whole; start += this.chunkSize) {
        exchange.throwIfStopped();
        yield { data: bytes.subarray(start, start + this.chunkSize) };
      }
      held = bytes.subarray(whole);
    }
    if (held.length > 0) yield { data: held };
  }

  async *#readWhole(exchange: StreamExchange): AsyncGenerator<StreamItem> {
    const body = encodeResult(await this.#readBody(exchange), exchange.headers);
    yield { data: toJsonText(body.toString('utf8'), 'json') };
  }

  async #readBody(exchange: StreamExchange): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#readBytes(exchange)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async *#readBytes(exchange: StreamExchange): AsyncGenerator<Buffer> {
    const budget = new ByteBudget(this.maxBytes);
    for (let chunk = await exchange.next(); chunk; chunk = await exchange.next()) {
      budget.spend(chunk.length);
      yield chunk;
    }
  }
}
