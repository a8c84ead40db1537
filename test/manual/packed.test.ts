import { describe, expect, it } from 'vitest';
import type { AuthoredManual, AuthoredTool } from '../../src/core/index.js';
import { buildCatalog, manualEntrySchema, Publisher, packManual } from '../../src/manual/index.js';
import { PackedTexts } from '../../src/manual/packed-texts.js';

const tool = (index: number): AuthoredTool => ({
  name: `tool_${index}`,
  description: `Zählt bis ${index} 🙂.`,
  inputs: { type: 'object', properties: { n: { type: 'integer', maximum: index } }, additionalProperties: false },
  ...(index % 3 === 0 && { outputs: { type: 'string', const: '\ud800', description: 'half a pair' } }),
  ...(index % 5 === 0 && { average_response_size: index, required_scopes: [`scope:${index}`] }),
  tags: index % 2 === 0 ? ['even'] : [],
  tool_call_template: {
    call_template_type: 'http',
    url: `https://up.example/${index}`,
    headers: { 'X-A': '${API_A}' },
  },
});
const manual: AuthoredManual = {
  utcp_version: '1.1.0',
  manual_version: '2.0.0',
  tools: Array.from({ length: 150 }, (_, index) => tool(index)),
};

function publish(source: Parameters<typeof buildCatalog>[0][number]['manual']) {
  const entry = manualEntrySchema.parse({ name: 'm', source: 'm.json' });
  const place = { base_dir: '/', pointers: new Map(), lineOf: () => undefined };
  const loaded = { entry, manual: source, notices: [], kind: 'utcp', digest: '', file: 'm.json', ...place } as const;
  const catalog = buildCatalog([loaded]);
  const publisher = new Publisher(catalog, { public_url: 'https://tools.example', max_cache_bytes: 1_000_000 });
  return { catalog, text: publisher.assemble(catalog.tools, 'bearer').toString() };
}

describe('a packed manual', () => {
  it('has every tool as it was, in whatever order they are read', () => {
    const { catalog } = publish(packManual(manual));
    const plain = publish(manual).catalog;
    for (const index of [149, 0, 64, 63, 1, 128, 65, 64, 149]) {
      const [packed, before] = [catalog.tools[index], plain.tools[index]];
      for (const member of ['id', 'index', 'manual', 'name', 'description', 'inputs', 'outputs', 'tags'] as const)
        expect(packed?.[member]).toEqual(before?.[member]);
      for (const member of ['average_response_size', 'expose', 'template', 'settings'] as const)
        expect(packed?.[member]).toEqual(before?.[member]);
    }
  });

  it('is published byte for byte as one that is not', () => {
    expect(publish(packManual(manual)).text).toBe(publish(manual).text);
  });
});

describe('the settings of tools', () => {
  it('are one object for those that nothing is set for', () => {
    const [, one, other] = publish(manual).catalog.tools;
    expect(one?.settings).toBe(other?.settings);
  });

  it('are its own for a tool whose document asks for scopes', () => {
    const [, , , , , five] = publish(manual).catalog.tools;
    expect(five?.settings.required_scopes).toEqual(['scope:5']);
  });
});

describe('packed texts', () => {
  const textOf = (index: number) => `${index} ä€🙂`.repeat(index % 4);

  it('are read as they were written, over every block', () => {
    const texts = new PackedTexts(2500, textOf);
    for (const index of [0, 1, 1023, 1024, 1025, 2047, 2048, 2499]) expect(texts.read(index)).toBe(textOf(index));
  });

  it('are nothing where there is none', () => {
    expect(new PackedTexts(2, textOf).read(2)).toBe('');
    expect(new PackedTexts(0, textOf).read(0)).toBe('');
  });
});
