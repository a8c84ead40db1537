import { afterEach, describe, expect, it } from 'vitest';
import { callJson, closeAll, createHarness, everythingServer, hostileServer } from '../support/mcp.js';

afterEach(closeAll);

describe.each(['required', 'none'] as const)('an MCP server over stdio, sandbox %s', (sandbox) => {
  const settings = { sandbox };

  it('answers a call of the reference server', async () => {
    const { prepare } = createHarness();
    const echo = prepare('echo', everythingServer(), { settings });
    expect(await callJson(echo, { message: 'hello' })).toBe('Echo: hello');
  });

  it('hands the server the configured environment and nothing of its own', async () => {
    const { prepare } = createHarness();
    const env = { KEY: `\${API_KEY}` };
    const environment = prepare('environment', hostileServer([], env), { settings, variables: { API_KEY: 's3cret' } });
    // bubblewrap adds the working directory's name.
    const names = ['HOME', 'KEY', 'LANG', 'PATH', ...(sandbox === 'required' ? ['PWD'] : [])];
    expect(await callJson(environment)).toEqual({ names, cwd: '/tmp' });
  });
});
