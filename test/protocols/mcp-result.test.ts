import type { CallToolResult } from '@modelcontextprotocol/client';
import { describe, expect, it } from 'vitest';
import { toMcpTool } from '../../src/protocols/mcp-definition.js';
import { toCallResult } from '../../src/protocols/mcp-result.js';
import { catchError } from '../support/mcp.js';

const plain = toMcpTool({ name: 'tool', inputSchema: { type: 'object' } });
const declaring = toMcpTool({ name: 'tool', inputSchema: { type: 'object' }, outputSchema: { type: 'object' } });

function map(result: CallToolResult, tool = plain, over = {}): unknown {
  const options = { expose_tool_errors: false, max_bytes: 10_000, ...over };
  return JSON.parse(toCallResult({ tool, result }, options).body.toString());
}

describe('a tool result as JSON', () => {
  const json = { type: 'text', text: ' {"a":[1]} ' } as const;

  it('is the structured content where there is some', () => {
    expect(map({ content: [json], structuredContent: { b: 2 } })).toEqual({ b: 2 });
  });

  it('is a string for one text, whatever the text looks like', () => {
    expect(map({ content: [json] })).toBe(' {"a":[1]} ');
    expect(map({ content: [{ type: 'text', text: '7' }] }, declaring)).toBe('7');
  });

  it('is the JSON of an object or array text where the tool declares outputs', () => {
    expect(map({ content: [json] }, declaring)).toEqual({ a: [1] });
    expect(map({ content: [{ type: 'text', text: '{half' }] }, declaring)).toBe('{half');
  });

  it('is an array for several parts, with other parts as their MCP objects without _meta', () => {
    const image = { type: 'image', data: 'AA==', mimeType: 'image/png', _meta: { trace: 1 } } as const;
    expect(map({ content: [{ type: 'text', text: 'one' }, image] })).toEqual([
      'one',
      { type: 'image', data: 'AA==', mimeType: 'image/png' },
    ]);
  });

  it('is null for no content', () => {
    expect(map({ content: [] })).toBeNull();
  });

  it('is refused over the response cap', async () => {
    const result = { content: [{ type: 'text' as const, text: 'x'.repeat(200) }] };
    const error = await catchError(async () => map(result, plain, { max_bytes: 100 }));
    expect(error.code).toBe('upstream_too_large');
  });

  it('is refused when it is nested deeper than can be written', async () => {
    let deep: Record<string, unknown> = {};
    for (let level = 0; level < 100_000; level += 1) deep = { deep };
    const error = await catchError(async () => map({ content: [], structuredContent: deep }));
    expect(error).toMatchObject({ code: 'upstream_invalid', reason: 'invalid_result' });
  });
});

describe('a tool that failed', () => {
  const text = 'no such\u0007 book\u202e in /srv/books';
  const failed = { isError: true, content: [{ type: 'text' as const, text }] };

  it("keeps the tool's own text from the caller", async () => {
    const error = await catchError(async () => map(failed));
    expect(error).toMatchObject({ code: 'upstream_failed', reason: 'tool_error' });
    expect(error.details.detail).toBe('The tool reported an error.');
  });

  it('shows it cut and stripped where the configuration says so', async () => {
    const error = await catchError(async () => map(failed, plain, { expose_tool_errors: true }));
    expect(error.details.detail).toBe('The tool reported an error: no such  book  in /srv/books');
    const long = { isError: true, content: [{ type: 'text' as const, text: 'x'.repeat(5_000) }] };
    const cut = await catchError(async () => map(long, plain, { expose_tool_errors: true }));
    expect(cut.details.detail?.length).toBeLessThan(1_100);
  });
});
