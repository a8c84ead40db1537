import { describe, expect, it } from 'vitest';
import { digestDefinition, type McpToolDefinition } from '../../src/protocols/mcp-definition.js';
import { toAuthoredTools } from '../../src/protocols/mcp-listing.js';

const server = { name: 'default', config: { command: '/bin/true' }, pointer: '' };

function list(...definitions: readonly McpToolDefinition[]) {
  const tools = definitions.map((definition) => ({ definition, digest: digestDefinition(definition) }));
  return toAuthoredTools(server, '', tools);
}

const inputSchema = { type: 'object' };

describe('an MCP tool as a UTCP tool', () => {
  it('has a name that every official client takes', () => {
    const names = ['get-sum', '2fast', 'a.b/c', 'ünïcode', '__proto__'].map((name) => ({ name, inputSchema }));
    expect(list(...names).map(({ name }) => name)).toEqual(['get_sum', '_2fast', 'a_b_c', '_n_code', '__proto__']);
  });

  it('has its own name where two would be spelt alike, whatever their order', () => {
    const tools = [
      { name: 'get-sum', inputSchema },
      { name: 'get_sum', inputSchema },
      { name: 'get.sum', inputSchema },
    ];
    const byName = (order: readonly McpToolDefinition[]) =>
      new Map(list(...order).map((tool) => [tool.tool_call_template.tool_name, tool.name]));
    expect(byName(tools)).toEqual(byName([...tools].reverse()));
    expect(new Set(byName(tools).values()).size).toBe(3);
    expect(byName(tools).get('get_sum')).toBe('get_sum');
  });

  it.each([
    [{}, ['mcp', 'write']],
    [{ readOnlyHint: true, destructiveHint: true, openWorldHint: true }, ['mcp', 'read', 'open_world']],
    [{ destructiveHint: true, idempotentHint: true }, ['mcp', 'write', 'destructive', 'idempotent']],
  ])('has tags from its annotations %j', (annotations, tags) => {
    expect(list({ name: 'tool', inputSchema, annotations })[0]?.tags).toEqual(tags);
  });

  it('carries no text that a person who reviews it does not see', () => {
    const hidden = `Adds.\u{E0053}\u{E0065}\u200b\u202e\u0007\nOnce.`;
    const properties = { a: { type: 'string', description: hidden, enum: [hidden] } };
    const [tool] = list({ name: 'tool', description: hidden, inputSchema: { type: 'object', properties } });
    expect(tool?.description).toBe('Adds.\nOnce.');
    expect(tool?.inputs).toMatchObject({ properties: { a: { description: 'Adds.\nOnce.', enum: [hidden] } } });
  });

  it('has a description of bounded length', () => {
    expect(list({ name: 'tool', inputSchema, description: 'x'.repeat(50_000) })[0]?.description.length).toBe(4_001);
  });
});

describe('the digest of a definition', () => {
  const definition = { name: 'tool', description: 'a', inputSchema: { type: 'object', properties: { a: {}, b: {} } } };

  it('does not depend on the order of members', () => {
    const other = { inputSchema: { properties: { b: {}, a: {} }, type: 'object' }, description: 'a', name: 'tool' };
    expect(digestDefinition(other)).toBe(digestDefinition(definition));
  });

  it.each([
    { description: 'b' },
    { title: 'T' },
    { inputSchema: { type: 'object', properties: { a: {} } } },
    { outputSchema: { type: 'object' } },
    { annotations: { readOnlyHint: true } },
  ])('changes with %j', (change) => {
    expect(digestDefinition({ ...definition, ...change })).not.toBe(digestDefinition(definition));
  });
});
