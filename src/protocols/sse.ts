import { z } from 'zod';
import { GatehouseError, type PreparedCall, type StreamItem } from '../core/index.js';
import { mediaType } from './http-body.js';
import { TokenSources } from './http-oauth.js';
import { UpstreamOrigins } from './http-origin.js';
import { RequestPlan } from './http-request.js';
import { requestFields } from './http-template.js';
import type { Protocol, ProtocolDependencies, ToolBinding } from './protocol.js';
import { StreamCall, type StreamReader } from './stream-call.js';
import { EventStreamParser } from './stream-events.js';
import type { StreamExchange } from './stream-exchange.js';
import { collectJsonArray, type TextFormat, toJsonText } from './stream-json.js';
import { ByteBudget, FloodMeter, StreamSlots } from './stream-limits.js';

/** UTCP's SseCallTemplate (1.x) with the guide's `timeout` and `max_events`; an unknown field is refused. */
const sseTemplateSchema = z.strictObject({
  ...requestFields,
  call_template_type: z.literal('sse'),
  /** With it the request is a POST. */
  body_field: z.string().nullish(),
  /** Only events of this name; absent: all. */
  event_type: z.string().min(1).nullish(),
  /** Accepted and not acted on: a routed stream that breaks off is told to its caller (docs/protocols/sse.md). */
  reconnect: z.boolean().optional(),
  retry_timeout: z.number().nonnegative().optional(),
  /** Seconds for the whole stream. */
  timeout: z.number().positive().max(3600).nullish(),
  /** Seconds without a byte of the upstream. */
  idle_timeout: z.number().positive().max(3600).default(60),
  /** After so many events the stream ends. */
  max_events: z.int().positive().max(1_000_000).default(10_000),
  /** More in one second are reported as flooding. */
  max_events_per_second: z.int().positive().default(1000),
  max_event_bytes: z.int().positive().max(16_777_216).default(1_048_576),
  /** `json` refuses data that is not JSON, `text` hands all data on as strings; absent: JSON stays JSON. */
  response_format: z.enum(['json', 'text']).nullish(),
});
export type SseTemplate = z.infer<typeof sseTemplateSchema>;

/**
 * UTCP's `sse` protocol: an upstream's server-sent events, bounded in number, size and time. The `http` twin answers
 * with the JSON array of the events' data.
 */
export function createSseProtocol(deps: ProtocolDependencies): Protocol<SseTemplate> {
  const origins = new UpstreamOrigins(deps);
  const tokens = new TokenSources();
  return {
    type: 'sse',
    schema: sseTemplateSchema,
    prepare: (template, binding) => prepareCall(template, binding, { deps, origins, tokens }),
    retain: (inUse) => origins.retain(inUse),
    health: () => origins.health(),
    close: () => origins.close(),
  };
}

interface Shared {
  readonly deps: ProtocolDependencies;
  readonly origins: UpstreamOrigins;
  readonly tokens: TokenSources;
}

function prepareCall(template: SseTemplate, binding: ToolBinding, { deps, origins, tokens }: Shared): PreparedCall {
  const request = {
    ...template,
    http_method: template.body_field ? 'POST' : 'GET',
    content_type: 'application/json',
  } as const;
  const plan = new RequestPlan(request, binding, { accept: 'text/event-stream' });
  const origin = origins.get(plan.upstream);
  const { timeout, idle_timeout } = template;
  return new StreamCall({
    plan,
    origin,
    tokens: plan.grant && tokens.get(plan.grant, origins.get(plan.grant.upstream)),
    tool: binding.tool,
    timeout_ms: timeout ? Math.min(binding.timeout_ms, timeout * 1000) : binding.timeout_ms,
    idle_timeout_ms: idle_timeout * 1000,
    slots: new StreamSlots(binding.settings.max_streams_per_caller),
    reader: new EventReader(template, binding, (reason) =>
      deps.report({ kind: 'flooding', upstream: origin.name, tool: binding.tool, reason }),
    ),
  });
}

class EventReader implements StreamReader {
  readonly #template: SseTemplate;
  readonly #format: TextFormat;
  readonly #maxBytes: number;
  readonly #reportFlood: (reason: 'max_events' | 'events_per_second') => void;

  constructor(
    template: SseTemplate,
    binding: ToolBinding,
    reportFlood: (reason: 'max_events' | 'events_per_second') => void,
  ) {
    this.#template = template;
    this.#format = template.response_format ?? 'auto';
    this.#maxBytes = binding.settings.max_response_bytes;
    this.#reportFlood = reportFlood;
  }

  async *read(exchange: StreamExchange): AsyncGenerator<StreamItem> {
    if (mediaType(exchange.headers['content-type'] ?? '') !== 'text/event-stream') {
      throw new GatehouseError('upstream_invalid', {
        detail: 'The upstream sent no event stream.',
        reason: 'not_event_stream',
      });
    }
    const { event_type, max_events, max_events_per_second, max_event_bytes } = this.#template;
    const parser = new EventStreamParser(max_event_bytes);
    const budget = new ByteBudget(this.#maxBytes);
    const meter = new FloodMeter(max_events_per_second);
    let handedOn = 0;
    for (let chunk = await exchange.next(); chunk; chunk = await exchange.next()) {
      budget.spend(chunk.length);
      for (const event of parser.parse(chunk)) {
        exchange.throwIfStopped();
        if (meter.count(performance.now())) this.#reportFlood('events_per_second');
        if (event_type && event.event !== event_type) continue;
        yield { data: toJsonText(event.data, this.#format), event: event.event, id: event.id };
        handedOn += 1;
        if (handedOn < max_events) continue;
        this.#reportFlood('max_events');
        return;
      }
    }
  }

  collect(exchange: StreamExchange): Promise<Buffer> {
    return collectJsonArray(this.read(exchange));
  }
}
