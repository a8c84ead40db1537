import { z } from 'zod';

/** `tracing`: where spans go; absent: none are made and nothing of OpenTelemetry is loaded. */
export const tracingSchema = z
  .strictObject({
    otlp_url: z
      .url({ protocol: /^https?$/ })
      .describe('Where spans go: OTLP over HTTP in JSON, for example `http://127.0.0.1:4318/v1/traces`.'),
    header_variables: z
      .record(z.string(), z.string().min(1))
      .default({})
      .describe('Headers for the collector by name, each with the variable that holds its value.'),
    sample_ratio: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('Share of the requests that are traced; one that comes with a trace context follows that.'),
    service_name: z.string().min(1).default('utcp-gatehouse').describe('`service.name` of the spans.'),
    timeout_ms: z.int().min(100).max(60_000).default(5000).describe('Milliseconds that one export may take.'),
    max_queue_spans: z
      .int()
      .min(512)
      .max(1_000_000)
      .default(4096)
      .describe('Spans that may wait; beyond them new ones are dropped.'),
  })
  .refine(({ otlp_url, header_variables }) => Object.keys(header_variables).length === 0 || isPrivate(otlp_url), {
    error: 'headers with secrets go over https, or to a loopback address',
    path: ['otlp_url'],
  });
export type TracingConfig = z.infer<typeof tracingSchema>;

function isPrivate(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}
