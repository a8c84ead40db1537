import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { variablesSchema } from '../../src/variables/config.js';
import { SecureVariableLoader } from '../../src/variables/index.js';
import { makeBinding } from '../support/binding.js';
import { makeRegistry } from '../support/http-call.js';
import { readBlocks, readExampleEntries, readExampleTools } from '../support/page.js';

describe('docs/protocols/http.md', () => {
  it('has a manual and a configuration that load', () => {
    const [entry] = readExampleEntries('protocols/http.md');
    if (!entry) throw new Error('no entry');
    const variables = { API_BOOKS_TOKEN: 't', API_BOOKS_CLIENT: 'c', API_BOOKS_SECRET: 's' };
    const { registry } = makeRegistry();
    const tools = readExampleTools('protocols/http.md');
    expect(tools.map((tool) => tool.name)).toEqual(['get_book', 'add_book']);
    for (const tool of tools) {
      const binding = makeBinding({ inputs: tool.inputs, settings: entry, variables, timeout_ms: entry.timeout_ms });
      registry.prepareTool(tool.tool_call_template, binding);
      expect(binding.notices).toEqual([]);
    }
    expect(registry.health().map((origin) => origin.upstream)).toEqual(['api.example.com:443', 'auth.example.com:443']);
  });
});

describe('docs/variables.md', () => {
  it('has a configuration that is valid, with the defaults that it names', () => {
    const { variables } = parse(readBlocks('variables.md')[0] ?? '');
    const settings = variablesSchema.parse(variables);
    const { allowed_prefixes, max_length } = variablesSchema.parse({});
    expect({ allowed_prefixes, max_length }).toEqual({
      allowed_prefixes: settings.allowed_prefixes,
      max_length: settings.max_length,
    });
    expect(new SecureVariableLoader({ allowed_prefixes }, { API_A: 'x' }).load('API_A')).toBe('x');
  });
});
