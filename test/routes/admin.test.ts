import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEchoProtocols } from '../support/echo.js';
import { keyEntry, startServer, type TestServer } from '../support/server.js';

const tool = {
  name: 'one',
  description: 'one',
  inputs: { type: 'object' },
  tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/' },
};
let server: TestServer;
beforeAll(async () => {
  server = await startServer({
    config: {
      manuals: [{ name: 'm', source: 'm.yaml' }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [{ id: 'alice', roles: ['user'], api_keys: { current: keyEntry('key') } }],
    },
    files: { 'm.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [tool] } },
    dependencies: { protocols: createEchoProtocols() },
  });
});
afterAll(() => server.close());

const admin = (path: string) => fetch(`${server.server.admin_url}${path}`);

describe('the admin listener', () => {
  it('is another port than the public one, which has no metrics', async () => {
    expect(server.server.admin_url).not.toBe(server.url);
    expect((await fetch(`${server.url}/metrics`)).status).toBe(404);
  });

  it('says in full how ready it is, and the public listener only whether', async () => {
    expect(await (await admin('/readyz?verbose')).json()).toMatchObject({ status: 'ok', state: 'memory', tools: 1 });
    expect(await (await fetch(`${server.url}/readyz?verbose`)).json()).toEqual({ status: 'ok' });
  });

  it('goes on without metrics when its port is taken, and says so', async () => {
    const lines: string[] = [];
    const port = Number(new URL(server.server.admin_url ?? '').port);
    const other = await startServer({
      config: { server: { admin: { port } } },
      dependencies: { protocols: createEchoProtocols(), report: (line) => lines.push(line) },
    });
    expect([other.server.admin_url, lines]).toEqual([undefined, [expect.stringContaining('set server.admin.port')]]);
    expect((await fetch(`${other.url}/livez`)).status).toBe(200);
    await other.close();
  });
});
