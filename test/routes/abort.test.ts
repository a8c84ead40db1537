import { request as openRequest } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { createEchoProtocols } from '../support/echo.js';
import { answerJson, StubProvider } from '../support/provider.js';
import { bearer, startServer } from '../support/server.js';

it.each(['GET', 'POST'])(
  'a caller of %s that hangs up while its credential is verified is called nothing for, and holds no place',
  async (method) => {
    const held: (() => void)[] = [];
    const provider = new StubProvider((...exchange) => {
      held.push(() => answerJson({ active: true, sub: 'alice', scope: 'tools:read tools:execute' })(...exchange));
    });
    const endpoint = await provider.start();
    onTestFinished(() => provider.stop());
    const protocols = createEchoProtocols();
    const inputs = { type: 'object', properties: {}, additionalProperties: false };
    const tool_call_template = { call_template_type: 'http', http_method: 'GET', url: 'https://up.example/' };
    const server = await startServer({
      environment: { UTCP_SECRET: 's' },
      config: {
        manuals: [{ name: 'm', source: 'm.yaml' }],
        policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
        callers: [{ id: 'alice', roles: ['user'] }],
        auth: {
          introspection: { endpoint: `${endpoint}/introspect`, client_id: 'c', secret_variable: 'UTCP_SECRET' },
          allow_private_hosts: ['127.0.0.1'],
        },
        limits: { concurrency: { per_caller: 1 } },
      },
      files: {
        'm.yaml': {
          utcp_version: '1.1.0',
          manual_version: '1.0.0',
          tools: [{ name: 'one', description: 'One.', inputs, tool_call_template }],
        },
      },
      dependencies: { protocols },
    });
    onTestFinished(() => server.close());
    const url = `${server.url}/tools/m/one`;
    for (const token of ['first', 'second', 'third']) {
      const leaving = openRequest(url, { method, headers: bearer(`opaque-${token}`) });
      leaving.on('error', () => undefined);
      leaving.end(method === 'POST' ? '{}' : undefined);
      await expect.poll(() => held.length).toBe(1);
      leaving.destroy();
      await expect.poll(() => server.server.gate.active).toBe(0);
      held.pop()?.();
      await wait(50);
    }
    expect(protocols.scopes).toEqual([]);
    expect(server.server.gate.calls.size).toBe(0);
    const staying = fetch(url, { headers: bearer('opaque-fourth') });
    await expect.poll(() => held.length).toBe(1);
    held.pop()?.();
    expect([(await staying).status, protocols.scopes.length]).toEqual([200, 1]);
  },
);
