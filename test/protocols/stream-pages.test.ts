import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { serverSchema } from '../../src/config/index.js';
import { makeBinding } from '../support/binding.js';
import { makeRegistry } from '../support/http-call.js';
import { readBlocks, readExampleEntries, readExampleTools } from '../support/page.js';

const pages = [
  ['sse', ['watch_orders'], { API_SHOP_TOKEN: 't' }, ['api.example.com:443']],
  [
    'streamable-http',
    ['export_rows'],
    { API_DATA_CLIENT: 'c', API_DATA_SECRET: 's' },
    ['data.example.com:443', 'auth.example.com:443'],
  ],
  ['websocket', ['ask_desk', 'watch_desk'], { API_DESK_TOKEN: 't' }, ['desk.example.com:443']],
] as const;

describe.each(pages)('docs/protocols/%s.md', (page, names, variables, upstreams) => {
  it('has a manual and a configuration that load without a warning', () => {
    const [entry] = readExampleEntries(`protocols/${page}.md`);
    if (!entry) throw new Error('no entry');
    const { registry } = makeRegistry();
    const tools = readExampleTools(`protocols/${page}.md`);
    expect(tools.map((tool) => tool.name)).toEqual(names);
    expect(names).toEqual(expect.arrayContaining(Object.keys(entry.tools)));
    for (const tool of tools) {
      const binding = makeBinding({ inputs: tool.inputs, settings: entry, variables, timeout_ms: entry.timeout_ms });
      expect(registry.prepareTool(tool.tool_call_template, binding).stream).toBeDefined();
      expect(binding.notices).toEqual([]);
    }
    expect(registry.health().map((origin) => origin.upstream)).toEqual(upstreams);
  });
});

describe('docs/protocols/websocket.md', () => {
  it('has server settings that are valid, with the defaults that it names', () => {
    const { server } = parse(readBlocks('protocols/websocket.md')[2] ?? '');
    const { websocket } = serverSchema.parse(server);
    expect(websocket).toEqual({ ...serverSchema.parse({}).websocket, allowed_origins: ['https://app.example.com'] });
  });
});
