import { describe, expect, it } from 'vitest';
import { mcpTemplateSchema, selectServer } from '../../src/protocols/mcp-template.js';

const command = { command: '/usr/local/bin/mcp-server' };
const base = { call_template_type: 'mcp', tool_name: 'echo' };

describe('the mcp template', () => {
  it("takes the guide's shape", () => {
    const server_config = {
      ...command,
      args: ['--config', '/safe/config.json'],
      env: { MCP_LOG_LEVEL: 'INFO' },
      timeout: 60,
    };
    expect(selectServer(mcpTemplateSchema.parse({ ...base, server_config }))).toEqual({
      name: 'default',
      config: server_config,
      pointer: '/server_config',
    });
  });

  it("takes UTCP 1.x's shape, as its serialisers write it", () => {
    const files = { transport: 'stdio', ...command };
    const search = {
      transport: 'http',
      url: 'https://mcp.example.com',
      sse_read_timeout: 300,
      terminate_on_close: true,
    };
    const template = mcpTemplateSchema.parse({
      ...base,
      name: 'tools',
      config: { mcpServers: { files, search } },
      server_name: 'search',
      auth: null,
      register_resources_as_tools: false,
      allowed_communication_protocols: ['mcp'],
    });
    expect(selectServer(template)).toEqual({ name: 'search', config: search, pointer: '/config/mcpServers/search' });
  });

  it.each([
    ['neither shape', {}, 'either server_config or config'],
    [
      'both shapes',
      { server_config: command, config: { mcpServers: { a: command } } },
      'either server_config or config',
    ],
    ['no server', { config: { mcpServers: {} } }, 'at least one server'],
    ['several servers and no name', { config: { mcpServers: { a: command, b: command } } }, 'must be one of a, b'],
    ['a server that is not there', { config: { mcpServers: { a: command } }, server_name: 'b' }, 'must be one of a'],
    ['command and url', { server_config: { ...command, url: 'https://mcp.example.com' } }, 'either command or url'],
    ['headers for a command', { server_config: { ...command, headers: {} } }, 'does not go with command'],
    ['a transport that does not fit', { server_config: { ...command, transport: 'http' } }, 'does not fit'],
    [
      'auth for a command',
      { server_config: command, auth: { auth_type: 'basic', username: 'a', password: 'b' } },
      'goes with a url',
    ],
    ['an unknown field', { server_config: { ...command, shell: true } }, 'Unrecognized key'],
    ['a name of the environment that is none', { server_config: { ...command, env: { 'LD PRELOAD': 'x' } } }, 'env'],
    ['a digest that is none', { server_config: command, definition_digest: 'abc' }, 'definition_digest'],
    [
      'resources as tools',
      { server_config: command, register_resources_as_tools: true },
      'resources are not made into tools',
    ],
  ])('refuses %s', (_what, over, message) => {
    expect(() => mcpTemplateSchema.parse({ ...base, ...over })).toThrow(message);
  });
});
