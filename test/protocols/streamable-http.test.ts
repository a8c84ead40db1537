import { describe, expect, it } from 'vitest';
import type { CallTemplate } from '../../src/core/index.js';
import { call, failure, makeRegistry, makeScope, prepare } from '../support/http-call.js';
import { eventually, whenStill } from '../support/processes.js';
import { countResources, expectNothingLeft } from '../support/resources.js';
import { cancelAfter, failureOf, openStream, readStream, runMany } from '../support/stream.js';
import { sendJson, startUpstream, type TestUpstream, type UpstreamHandler } from '../support/upstream.js';

function streamable(upstream: TestUpstream, more: Omit<CallTemplate, 'call_template_type'> = {}): CallTemplate {
  return { call_template_type: 'streamable_http', url: `${upstream.origin}/rows`, ...more };
}

function answer(contentType: string, ...parts: readonly (string | Buffer)[]): UpstreamHandler {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': contentType });
    for (const part of parts) response.write(part);
    response.end();
  };
}

const hang: UpstreamHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.write('{"n":1}\n');
};

describe('the streamable_http protocol with NDJSON', () => {
  it('streams one item a line, empty lines and CRLF aside, the last without a line end too', async () => {
    const upstream = await startUpstream(
      answer('application/x-ndjson; charset=utf-8', '{"n":1}\r\n\n{"n"', ':2}\n "é"'),
    );
    const prepared = prepare(streamable(upstream));
    expect((await readStream(prepared)).map((item) => item.data)).toEqual(['{"n":1}', '{"n":2}', '"é"']);
    expect(await call(prepared)).toEqual([{ n: 1 }, { n: 2 }, 'é']);
  });

  it('hands each line on when it comes', async () => {
    const upstream = await startUpstream(hang);
    const iterator = openStream(prepare(streamable(upstream)));
    expect(await iterator.next()).toMatchObject({ value: { data: '{"n":1}' } });
    await iterator.return?.();
  });

  it('refuses a line that is not JSON', async () => {
    const upstream = await startUpstream(answer('application/x-ndjson', '{"n":1}\nnope\n'));
    expect(await failure(prepare(streamable(upstream)))).toMatchObject({
      code: 'upstream_invalid',
      reason: 'not_json',
    });
  });

  it('takes a line of 128 KiB and refuses a longer one', async () => {
    const line = `"${'x'.repeat(128 * 1024 - 2)}"`;
    const fits = await startUpstream(answer('application/x-ndjson', `${line}\n`));
    expect(await call(prepare(streamable(fits)))).toEqual([JSON.parse(line)]);
    const over = await startUpstream(answer('application/x-ndjson', `${line} \n`));
    expect(await failure(prepare(streamable(over)))).toMatchObject({ code: 'upstream_too_large' });
  });
});

describe('the streamable_http protocol with bytes', () => {
  it('streams items of chunk_size bytes, the last one shorter, however they arrive', async () => {
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 256));
    const upstream = await startUpstream(
      answer('application/octet-stream', bytes.subarray(0, 1), bytes.subarray(1, 300), bytes.subarray(300)),
    );
    const items = await readStream(prepare(streamable(upstream, { chunk_size: 256 })));
    expect(items.map((item) => item.data.length)).toEqual([256, 256, 256, 232]);
    expect(Buffer.concat(items.flatMap((item) => (Buffer.isBuffer(item.data) ? [item.data] : [])))).toEqual(bytes);
  });

  it('answers its http twin with text as a string and other bytes as base64', async () => {
    const text = await startUpstream(answer('text/plain', 'grü', 'ße'));
    expect(await call(prepare(streamable(text)))).toBe('grüße');
    const bytes = await startUpstream(answer('application/octet-stream', Buffer.from([255, 0])));
    expect(await call(prepare(streamable(bytes)))).toEqual({
      content_type: 'application/octet-stream',
      base64: '/wA=',
    });
  });

  it('streams a JSON document as one item on one line', async () => {
    const upstream = await startUpstream(answer('application/json', '{\n "a":', ' 1\n}'));
    const prepared = prepare(streamable(upstream));
    expect((await readStream(prepared)).map((item) => item.data)).toEqual(['{  "a": 1 }']);
    expect(await call(prepared)).toEqual({ a: 1 });
  });

  it('refuses a stream larger than max_response_bytes', async () => {
    const upstream = await startUpstream(answer('application/octet-stream', Buffer.alloc(2000)));
    const prepared = prepare(streamable(upstream), [], { settings: { max_response_bytes: 1999 } });
    expect(await failure(prepared)).toMatchObject({ code: 'upstream_too_large', reason: 'stream_too_large' });
  });
});

describe('the request and the ends of a streamable_http stream', () => {
  it('sends a POST with its body field as JSON', async () => {
    const upstream = await startUpstream(answer('application/x-ndjson', '1'));
    const template = streamable(upstream, { http_method: 'POST', body_field: 'filters' });
    await call(prepare(template, ['filters', 'page']), { filters: { a: [1] }, page: 2 });
    expect(upstream.requests[0]).toMatchObject({
      method: 'POST',
      url: '/rows?page=2',
      headers: { 'content-type': 'application/json', accept: expect.stringContaining('application/x-ndjson') },
      body: '{"a":[1]}',
    });
  });

  it("reads its timeout in milliseconds, as UTCP's own schema says", async () => {
    const upstream = await startUpstream(hang);
    const started = performance.now();
    expect(await failure(prepare(streamable(upstream, { timeout: 150 })))).toMatchObject({ code: 'upstream_timeout' });
    expect(performance.now() - started).toBeLessThan(2000);
    expect(performance.now() - started).toBeGreaterThan(140);
  });

  it('ends a stream that falls silent', async () => {
    const upstream = await startUpstream(hang);
    const error = await failure(prepare(streamable(upstream, { idle_timeout: 60 })));
    expect(error).toMatchObject({ code: 'upstream_timeout', reason: 'idle_timeout' });
  });

  it('closes the upstream at once when the client goes away', async () => {
    const upstream = await startUpstream(hang);
    const scope = makeScope();
    const iterator = openStream(prepare(streamable(upstream)), {}, scope);
    await iterator.next();
    const next = failureOf(iterator.next());
    scope.cancel('client_aborted');
    expect(await next).toMatchObject({ code: 'client_aborted' });
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
  });

  it('bounds the streams that one caller holds open, the collected twins included', async () => {
    const upstream = await startUpstream(hang);
    const prepared = prepare(streamable(upstream), [], { settings: { max_streams_per_caller: 1 } });
    const scope = makeScope();
    const first = failure(prepared, {}, scope);
    expect(await failure(prepared)).toMatchObject({ code: 'rate_limited', reason: 'streams_per_caller' });
    scope.cancel('client_aborted');
    await first;
    expect(await failure(prepared, {}, makeScope(50))).toMatchObject({ code: 'upstream_timeout' });
  });

  it('reads no further than its consumer reads', async () => {
    let written = 0;
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/octet-stream' });
      const write = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) written += 1;
        response.once('drain', write);
      };
      write();
    });
    const settings = { max_response_bytes: 1_000_000_000 };
    const iterator = openStream(prepare(streamable(upstream), [], { settings }));
    await iterator.next();
    expect(await whenStill(() => written)).toBeLessThan(1000);
    await iterator.return?.();
  });

  it('refuses a redirect (GHSA-9qhg-99ww-9mqc)', async () => {
    const upstream = await startUpstream((_request, response) => response.writeHead(307, { location: '/x' }).end());
    expect(await failure(prepare(streamable(upstream)))).toMatchObject({ reason: 'redirect_refused' });
  });

  it('hands an upstream error on by its status alone', async () => {
    const upstream = await startUpstream((_request, response) => sendJson(response, { secret: 1 }, 418));
    expect(await failure(prepare(streamable(upstream)))).toMatchObject({
      code: 'upstream_failed',
      details: { upstream_status: 418, detail: 'The upstream answered with status 418.' },
    });
  });

  it('leaves no socket, descriptor or timer after 1,000 sequential and 200 parallel calls, aborts and timeouts included', async () => {
    const done = answer('application/x-ndjson', '1\n2\n');
    const upstream = await startUpstream((request, response) =>
      request.url === '/rows?mode=end' ? done(request, response) : hang(request, response),
    );
    const { registry } = makeRegistry();
    const options = { settings: { max_streams_per_caller: 200 }, timeout_ms: 20_000 };
    const prepared = prepare(streamable(upstream), ['mode'], options, registry);
    const briefly = prepare(streamable(upstream, { timeout: 50 }), ['mode'], options, registry);
    await call(prepared, { mode: 'end' });
    const before = countResources();
    const one = async (index: number) => {
      if (index % 20 === 7) return failure(briefly, { mode: 'hang' });
      if (index % 20 === 13) return failure(prepared, { mode: 'hang' }, cancelAfter(makeScope(), 'client_aborted', 5));
      return call(prepared, { mode: 'end' });
    };
    await runMany(1000, 1, one);
    await runMany(200, 200, one);
    await registry.close();
    expect(
      await eventually(
        () => upstream.connections.open.size,
        (open) => open === 0,
      ),
    ).toBe(0);
    await expectNothingLeft(before);
  }, 60_000);
});
