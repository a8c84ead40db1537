import { expect, it, onTestFinished } from 'vitest';
import { bearer, keyEntry, startServer } from '../support/server.js';
import { startUpstream } from '../support/upstream.js';

// Small ones are joined to their head, larger ones go out beside it; the bound lies at 8 KiB, which is 3,640 of these.
const lengths = [0, 1, 2, ...Array.from({ length: 12 }, (_, index) => 3_634 + index), 70_000];

it('an upstream’s bytes are handed on as they are, with their true length, few or many, in any script', async () => {
  const textOf = (length: number) => JSON.stringify('é棚📚'.repeat(length).slice(0, length));
  const upstream = await startUpstream(({ url }, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(textOf(Number(url.slice(1))));
  });
  const server = await startServer({
    config: {
      manuals: [{ name: 'm', source: 'm.yaml', allow_private_hosts: ['127.0.0.1'] }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('k') } }],
    },
    files: {
      'm.yaml': {
        utcp_version: '1.1.0',
        manual_version: '1.0.0',
        tools: [
          {
            name: 'say',
            description: 'Says so many characters.',
            inputs: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
            tool_call_template: { call_template_type: 'http', http_method: 'GET', url: `${upstream.origin}/{n}` },
          },
        ],
      },
    },
  });
  onTestFinished(() => server.close());
  for (const n of lengths) {
    const response = await fetch(`${server.url}/tools/m/say`, {
      method: 'POST',
      headers: { ...bearer('k'), 'content-type': 'application/json' },
      body: JSON.stringify({ n }),
    });
    const body = Buffer.from(await response.arrayBuffer());
    expect(body.equals(Buffer.from(textOf(n)))).toBe(true);
    expect(response.headers.get('content-length')).toBe(String(body.length));
  }
});
