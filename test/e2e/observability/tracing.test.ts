import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { tracingSchema } from '../../../src/config/tracing.js';
import { findFreePort } from '../../support/port.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';
import { sendJson, startUpstream, type TestUpstream } from '../../support/upstream.js';

const tool = (name: string, url: string) => ({
  name,
  description: name,
  inputs: { type: 'object', properties: { q: { type: 'string' } }, additionalProperties: false },
  tool_call_template: { call_template_type: 'http', http_method: 'POST', url },
});
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const sampled = `00-${traceId}-${parentId}-01`;

const attribute = z.object({
  key: z.string(),
  value: z.object({ stringValue: z.string().optional(), intValue: z.number().optional() }),
});
const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  attributes: z.array(attribute).default([]),
  status: z.object({ code: z.number().optional() }).optional(),
});
const exported = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(attribute) }),
      scopeSpans: z.array(z.object({ spans: z.array(span) })),
    }),
  ),
});
type Span = z.infer<typeof span>;

/** A server that traces, its upstream, and the collector that it sends to. */
async function start(tracing: object, collect = true) {
  const collector = collect
    ? await startUpstream((_request, response) => sendJson(response, {}))
    : { origin: `http://127.0.0.1:${await findFreePort()}`, requests: [] };
  const upstream = await startUpstream((request, response) =>
    sendJson(response, { canary: 'canary-answer' }, request.url.startsWith('/fails') ? 500 : 200),
  );
  const lines: string[] = [];
  const server = await startServer({
    config: {
      manuals: [{ name: 'm', source: 'm.yaml', allow_private_hosts: ['127.0.0.1'], max_retries: 0 }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('canary-key') } }],
      tracing: { otlp_url: `${collector.origin}/v1/traces`, ...tracing },
    },
    files: {
      'm.yaml': {
        utcp_version: '1.1.0',
        tools: [tool('one', `${upstream.origin}/one`), tool('fails', `${upstream.origin}/fails`)],
      },
    },
    environment: { UTCP_OTLP_TOKEN: 'collector-secret' },
    dependencies: { report: (line) => lines.push(line) },
  });
  return { server, upstream, collector, lines };
}

function call({ url }: TestServer, name: string, headers: Record<string, string> = {}, key = 'canary-key') {
  return fetch(`${url}/tools/m/${name}?canary-query=1`, {
    method: 'POST',
    headers: { ...bearer(key), ...headers },
    body: JSON.stringify({ q: 'canary-argument' }),
  });
}

function spansOf(collector: Pick<TestUpstream, 'requests'>): readonly Span[] {
  return collector.requests.flatMap(({ body }) =>
    exported
      .parse(JSON.parse(body))
      .resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
  );
}
const read = ({ attributes }: Span, name: string) => {
  const value = attributes.find(({ key }) => key === name)?.value;
  return value?.stringValue ?? value?.intValue;
};

describe('a trace', () => {
  it('goes on from the caller to the upstream: a span for the call, each stage and the upstream', async () => {
    const { server, upstream, collector } = await start({ header_variables: { authorization: 'UTCP_OTLP_TOKEN' } });
    const answer = await call(server, 'one', { traceparent: sampled, tracestate: 'vendor=1' });
    expect(answer.status).toBe(200);
    await server.close();
    const spans = spansOf(collector);
    const named = new Map(spans.map((one) => [one.name, one]));
    expect([...named.keys()].sort()).toEqual(
      ['POST /tools/:manual/:tool', 'authenticate', 'authorize', 'limit', 'upstream', 'validate'].sort(),
    );
    const root = named.get('POST /tools/:manual/:tool');
    expect(root).toMatchObject({ traceId, parentSpanId: parentId, kind: 2 });
    for (const one of spans) if (one !== root) expect([one.traceId, one.parentSpanId]).toEqual([traceId, root?.spanId]);
    expect(root && [read(root, 'gatehouse.caller'), read(root, 'gatehouse.tool')]).toEqual(['alice', 'm.one']);
    expect(root && read(root, 'gatehouse.request_id')).toBe(answer.headers.get('x-request-id'));
    expect(root && read(root, 'http.response.status_code')).toBe(200);
    const [seen] = upstream.requests;
    expect(seen?.headers.traceparent).toBe(`00-${traceId}-${named.get('upstream')?.spanId}-01`);
    expect(seen?.headers.tracestate).toBe('vendor=1');
    expect(collector.requests[0]?.headers.authorization).toBe('collector-secret');
    expect(collector.requests[0]?.headers['content-type']).toBe('application/json');
  });

  it('holds no argument, credential, query, answer or made-up name, whatever goes wrong', async () => {
    const { server, collector } = await start({});
    await call(server, 'one');
    await call(server, 'fails');
    await call(server, 'canary-tool');
    await call(server, 'one', {}, 'canary-wrong-key');
    await fetch(`${server.url}/tools/m/one`, { method: 'POST', headers: bearer('canary-key'), body: '{"canary":1}' });
    await fetch(`${server.url}/utcp/canary-manual`, { headers: bearer('canary-key') });
    await server.close();
    const roots = spansOf(collector).filter(({ kind }) => kind === 2);
    expect(roots.map((one) => read(one, 'error.type'))).toEqual([
      undefined,
      'upstream_failed',
      'not_found',
      'invalid_token',
      'invalid_input',
      'not_found',
    ]);
    expect(roots.map(({ status }) => status?.code ?? 0)).toEqual([0, 2, 0, 0, 0, 0]);
    expect(JSON.stringify(collector.requests)).not.toContain('canary');
  });

  it('is not made of what a caller asks not to sample, and begins anew under a malformed context', async () => {
    const { server, upstream, collector } = await start({});
    await call(server, 'one', { traceparent: `00-${traceId}-${parentId}-00` });
    await call(server, 'one', { traceparent: `00-${traceId}-${'0'.repeat(16)}-01`, tracestate: 'a=1' });
    await server.close();
    const roots = spansOf(collector).filter(({ kind }) => kind === 2);
    expect(roots.map(({ parentSpanId }) => parentSpanId || undefined)).toEqual([undefined]);
    const sent = upstream.requests.map(({ headers }) => String(headers.traceparent));
    expect(sent[0]).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    expect(sent[1]).not.toContain(traceId);
    expect(upstream.requests[1]?.headers.tracestate).toBeUndefined();
  });

  it('that no collector takes costs no request, is counted, and is said once', async () => {
    const { server, lines } = await start({ timeout_ms: 100 }, false);
    expect((await call(server, 'one')).status).toBe(200);
    const lost = async () =>
      Number(
        /^gatehouse_trace_spans_lost (\d+)$/m.exec(
          await (await fetch(`${server.server.admin_url}/metrics`)).text(),
        )?.[1],
      );
    await expect.poll(lost, { timeout: 8000 }).toBeGreaterThan(0);
    expect((await call(server, 'one')).status).toBe(200);
    await server.close();
    expect(lines.filter((line) => line.includes('collector'))).toHaveLength(1);
  });

  it('needs the collector’s secret in its variable, and a way that nobody listens on', async () => {
    await expect(start({ header_variables: { authorization: 'UTCP_MISSING' } })).rejects.toThrow('UTCP_MISSING');
    const open = { otlp_url: 'http://collector.example/v1/traces', header_variables: { authorization: 'UTCP_X' } };
    expect(tracingSchema.safeParse(open).success).toBe(false);
    expect(tracingSchema.safeParse({ ...open, header_variables: {} }).success).toBe(true);
  });
});

describe('without tracing', () => {
  it('a context passes on as it came, and a malformed one does not', async () => {
    const { server, upstream } = await startUntraced();
    await call(server, 'one', { traceparent: sampled, tracestate: 'vendor=1' });
    await call(server, 'one', { traceparent: 'canary', tracestate: 'vendor=1' });
    await server.close();
    const [first, second] = upstream.requests;
    expect([first?.headers.traceparent, first?.headers.tracestate]).toEqual([sampled, 'vendor=1']);
    expect([second?.headers.traceparent, second?.headers.tracestate]).toEqual([undefined, undefined]);
  });

  it('nothing of OpenTelemetry is loaded', () => {
    const root = join(import.meta.dirname, '../../../src');
    const values = /^import (?!type\b)[^;]*from '(@opentelemetry\/[^']+|\.\/tracing\.js|.*server\/tracing\.js)'/gm;
    const loaders = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) =>
        [...readFileSync(join(root, file), 'utf8').matchAll(values)].map(([, name]) => `${file} ${name}`),
      );
    expect(loaders).toEqual(['config/schema.ts ./tracing.js']);
    expect(readFileSync(join(root, 'config/tracing.ts'), 'utf8')).not.toContain('@opentelemetry');
  });
});

async function startUntraced() {
  const upstream = await startUpstream((_request, response) => sendJson(response, {}));
  const server = await startServer({
    config: {
      manuals: [{ name: 'm', source: 'm.yaml', allow_private_hosts: ['127.0.0.1'] }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('canary-key') } }],
    },
    files: { 'm.yaml': { utcp_version: '1.1.0', tools: [tool('one', `${upstream.origin}/one`)] } },
  });
  return { server, upstream };
}
