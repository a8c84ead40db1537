import type { Context, Span, SpanContext, Tracer } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import type { TracingConfig } from '../config/index.js';
import { GatehouseError } from '../core/index.js';
import type { Exchange, ExchangeTrace, OpenSpan, Tracing } from '../pipeline/index.js';

export interface TracingOptions {
  readonly config: TracingConfig;
  /** Gives the value of a variable. Throws LoadError. */
  readonly readVariable: (name: string) => string;
  /** Takes a line for the operator, once, when the collector takes no spans. */
  readonly report: (line: string) => void;
}

/** Traces that are sent to a collector. */
export interface TraceExport {
  readonly tracing: Tracing;
  /** Spans that the collector did not take. */
  readonly lost_spans: number;
  /** Sends what is waiting, for at most two seconds. */
  close(): Promise<void>;
}

type Api = typeof import('@opentelemetry/api');

const closePatience_ms = 2000;

/** Loads OpenTelemetry and begins to send. Nothing of it is global: what else runs in this process is not traced. */
export async function openTracing(options: TracingOptions): Promise<TraceExport> {
  const { config, readVariable, report } = options;
  const [api, sdk, { resourceFromAttributes }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  const variables = Object.entries(config.header_variables);
  const headers = Object.fromEntries(variables.map(([name, variable]) => [name, readVariable(variable)]));
  const exporter = new WatchedExporter(
    new OTLPTraceExporter({ url: config.otlp_url, headers, timeoutMillis: config.timeout_ms }),
    report,
  );
  const provider = new sdk.BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': config.service_name }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(config.sample_ratio) }),
    spanProcessors: [
      new sdk.BatchSpanProcessor(exporter, {
        maxQueueSize: config.max_queue_spans,
        maxExportBatchSize: 512,
        scheduledDelayMillis: 1000,
        exportTimeoutMillis: config.timeout_ms,
      }),
    ],
  });
  const tracer = provider.getTracer('utcp-gatehouse');
  return {
    tracing: { begin: (exchange, method) => new SpanTrace(api, tracer, exchange, method) },
    get lost_spans() {
      return exporter.lost;
    },
    close: () => endWithin(closePatience_ms, provider.shutdown()),
  };
}

/** An exporter that counts what its collector does not take. */
class WatchedExporter implements SpanExporter {
  readonly #inner: SpanExporter;
  readonly #report: (line: string) => void;
  #failing = false;
  lost = 0;

  constructor(inner: SpanExporter, report: (line: string) => void) {
    this.#inner = inner;
    this.#report = report;
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    this.#inner.export(spans, (result) => {
      const failed = result.code !== 0;
      if (failed) this.lost += spans.length;
      if (failed && !this.#failing) this.#report('The trace collector takes no spans: they are lost until it does.');
      this.#failing = failed;
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}

class SpanTrace implements ExchangeTrace {
  readonly #api: Api;
  readonly #tracer: Tracer;
  readonly #root: Span;
  readonly #inside: Context;
  readonly #tracestate: string | undefined;

  constructor(api: Api, tracer: Tracer, exchange: Exchange, method: string) {
    this.#api = api;
    this.#tracer = tracer;
    this.#tracestate = exchange.tracestate;
    const parent = readParent(exchange);
    const outside = parent ? api.trace.setSpanContext(api.ROOT_CONTEXT, parent) : api.ROOT_CONTEXT;
    const attributes = {
      'http.request.method': method,
      'http.route': exchange.route,
      'gatehouse.request_id': exchange.request_id,
    };
    const name = `${method} ${exchange.route}`;
    this.#root = tracer.startSpan(name, { kind: api.SpanKind.SERVER, attributes }, outside);
    this.#inside = api.trace.setSpan(outside, this.#root);
  }

  openStage(name: string): OpenSpan {
    return this.#open(this.#tracer.startSpan(name, {}, this.#inside));
  }

  openUpstream(upstream: string): OpenSpan {
    const attributes = { 'gatehouse.upstream': upstream };
    return this.#open(
      this.#tracer.startSpan('upstream', { kind: this.#api.SpanKind.CLIENT, attributes }, this.#inside),
    );
  }

  finish(exchange: Exchange, status: number): void {
    const { principal, tool, error } = exchange;
    this.#root.setAttribute('http.response.status_code', status);
    if (principal) this.#root.setAttribute('gatehouse.caller', principal.id);
    // What was asked for and is not there is the sender's own text, and stays out.
    if (tool) this.#root.setAttribute('gatehouse.tool', tool.id);
    if (error) this.#mark(this.#root, error, status >= 500);
    this.#root.end();
  }

  #open(span: Span): OpenSpan {
    return {
      traceparent: writeTraceparent(span.spanContext()),
      tracestate: this.#tracestate,
      end: (error) => {
        if (error !== undefined) this.#mark(span, error, true);
        span.end();
      },
    };
  }

  /** Codes alone: the texts of errors may hold what a caller sent. */
  #mark(span: Span, error: unknown, isFailure: boolean): void {
    const isCoded = error instanceof GatehouseError;
    span.setAttribute('error.type', isCoded ? error.code : 'internal');
    if (isCoded) span.setAttribute('gatehouse.reason', error.reason);
    if (isFailure) span.setStatus({ code: this.#api.SpanStatusCode.ERROR });
  }
}

function readParent({ traceparent }: Exchange): SpanContext | undefined {
  const [, traceId, spanId, flags] = traceparent?.split('-') ?? [];
  if (!traceId || !spanId || !flags) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
}

function writeTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & 1}`;
}

async function endWithin(patience_ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, patience_ms);
  });
  // A collector that is away must not hold up the end; what it did not take was reported.
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}
