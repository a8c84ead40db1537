import { describe, expect, it } from 'vitest';
import { createClient } from '../../src/client/index.js';
import { makeManual } from '../support/manual-server.js';
import { sendJson, startUpstream } from '../support/upstream.js';

/** What keeps this process busy, the test runner's own aside. */
function busy(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return { sockets: counts.TCPSocketWrap ?? 0, timers: counts.Timeout ?? 0 };
}

describe('a client that is closed', () => {
  it('leaves no connection and no timer behind, time-outs and aborts included', async () => {
    const provider = await startUpstream(({ url, headers }, response) => {
      const origin = `http://${headers.host}`;
      if (url === '/utcp') return sendJson(response, makeManual([template('quick'), template('hangs')], origin));
      if (url === '/quick') sendJson(response, 1);
      function template(name: string) {
        return { name, tool_call_template: { call_template_type: 'http', url: `${origin}/${name}` } };
      }
    });
    const before = busy();
    const client = createClient({ url: provider.origin, retries: 0 });
    await Promise.all(Array.from({ length: 50 }, () => client.call('quick')));
    const abort = new AbortController();
    const ends = [
      ...Array.from({ length: 10 }, () => client.call('hangs', {}, { timeout_ms: 100 })),
      ...Array.from({ length: 10 }, () => client.call('hangs', {}, { signal: abort.signal })),
    ].map((call) => call.catch((error: unknown) => error));
    setTimeout(() => abort.abort(), 50);
    expect(await Promise.all(ends)).toHaveLength(20);
    await client.close();
    await expect.poll(() => provider.connections.open.size).toBe(0);
    await expect.poll(busy).toEqual(before);
  });

  it('fails calls in flight instead of leaving them hanging', async () => {
    const provider = await startUpstream(({ url, headers }, response) => {
      if (url === '/utcp') sendJson(response, makeManual(['a'], `http://${headers.host}`));
    });
    const client = createClient({ url: provider.origin, retries: 0 });
    const call = client.call('a');
    await expect.poll(() => provider.requests.length).toBe(2);
    await Promise.all([expect(call).rejects.toMatchObject({ name: 'TransportError' }), client.close()]);
  });
});
