import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CallTemplate, isJsonObject, type JsonObject, LoadError } from '../../src/core/index.js';
import { createSchemaCompiler } from '../../src/schema/index.js';
import { SecureVariableLoader } from '../../src/variables/index.js';
import { inputsOf, makeBinding } from '../support/binding.js';
import { makeRegistry } from '../support/http-call.js';
import { describeWithProgram } from '../support/requirement.js';
import { useScratch } from '../support/scratch.js';
import { missingSharedData, sharedData, skipSharedData } from '../support/shared-data.js';
import { guideExamples } from './examples.js';

const inputs = inputsOf('sanitized_input', 'filename');

/** The example's call template: its own, its tool's, or one that carries its credential. */
function templateOf(json: JsonObject): CallTemplate | undefined {
  if (isTemplate(json)) return json;
  const { tool_call_template: own, auth } = json;
  if (isTemplate(own)) return own;
  return auth ? { call_template_type: 'http', url: 'https://api.example.com/x', auth } : undefined;
}

function isTemplate(value: unknown): value is CallTemplate {
  return isJsonObject(value) && typeof value.call_template_type === 'string';
}

/** Loads a template as the catalog does, with the values of variables; gives what the load speaks against. */
function load(template: CallTemplate, prefixes: readonly string[], values: Record<string, string>) {
  const variables = new SecureVariableLoader({ allowed_prefixes: prefixes }, values);
  try {
    makeRegistry().registry.prepareTool(template, { ...makeBinding({ inputs }), variables });
    return [];
  } catch (error) {
    if (error instanceof LoadError) return error.findings;
    throw error;
  }
}

const secrets = Object.fromEntries(
  ['API_KEY', 'CLIENT_ID', 'CLIENT_SECRET', 'ADMIN_TOKEN', 'WS_TOKEN', 'SSE_TOKEN'].map((name) => [name, 'x']),
);
const templates = guideExamples.flatMap(({ heading, json }) => {
  const template = templateOf(json);
  return template ? [{ heading, template }] : [];
});

describe("the guide's JSON examples", () => {
  it.skipIf(skipSharedData)(`are all here, as they are written (${missingSharedData})`, () => {
    const guide = readFileSync(join(dirname(sharedData ?? ''), 'security-guide.md'), 'utf8');
    const written = [...guide.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = '']) => JSON.parse(text));
    expect(guideExamples.map(({ json }) => json)).toEqual(written);
    const headings = new Set([...guide.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading));
    expect(guideExamples.filter(({ heading }) => !headings.has(heading))).toEqual([]);
  });

  it.each(templates)('$heading: loads as it is written, or says how to mend it', ({ template }) => {
    const findings = load(template, ['UTCP_', 'API_'], secrets);
    const expected: Record<string, readonly string[]> = {
      '${CLIENT_ID}': ['variable-unusable'],
      '${ADMIN_TOKEN}': ['variable-unusable'],
      '${WS_TOKEN}': ['variable-unusable'],
      '${SSE_TOKEN}': ['variable-unusable'],
      '/safe/data/': ['directory-missing'],
      '/usr/local/bin/': ['command-missing', 'directory-missing', 'path-missing'],
    };
    const text = JSON.stringify(template);
    const rules = Object.entries(expected).flatMap(([part, names]) => (text.includes(part) ? names : []));
    for (const { rule, message, mend, pointer } of findings) {
      expect(rules).toContain(rule);
      expect([message, mend, pointer].every((words) => words.length > 0)).toBe(true);
    }
    expect(findings.length > 0).toBe(rules.length > 0);
  });

  it('JSON Schema Validation: is a schema that is enforced as it is written', () => {
    const schema = guideExamples.map(({ json }) => json.inputs).find(isJsonObject);
    const judge = createSchemaCompiler().compile(schema ?? {});
    expect(judge({ email: 'a@example.com', age: 3, tags: ['a-b'] })).toBeUndefined();
    for (const bad of [
      {},
      { email: 'no' },
      { email: `${'a'.repeat(250)}@example.com` },
      { email: 'a@example.com', age: 151 },
      { email: 'a@example.com', tags: ['a b'] },
      { email: 'a@example.com', tags: Array(11).fill('a') },
      { email: 'a@example.com', other: 1 },
    ]) {
      expect(judge(bad), JSON.stringify(bad)).toBeDefined();
    }
  });
});

describeWithProgram('bwrap', "the guide's JSON examples where their programs, files and variables exist", () => {
  const scratch = useScratch();

  it.each(templates)('$heading: loads', ({ template }) => {
    // Programs in the sandbox are another user.
    chmodSync(scratch('.'), 0o755);
    for (const folder of ['safe/sandbox', 'safe/data', 'bin']) mkdirSync(scratch(folder), { recursive: true });
    for (const program of ['bin/safe-script', 'bin/mcp-server']) {
      writeFileSync(scratch(program), '#!/bin/sh\n');
      chmodSync(scratch(program), 0o755);
    }
    const here = JSON.stringify(template)
      .replaceAll(/\/usr\/local\/bin\/(safe-script|mcp-server)/g, scratch('bin/$1'))
      .replaceAll('"/safe/', `"${scratch('safe/')}`);
    const prefixes = ['API_', 'CLIENT_', 'ADMIN_', 'WS_', 'SSE_'];
    expect(load(JSON.parse(here), prefixes, secrets)).toEqual([]);
  });
});
