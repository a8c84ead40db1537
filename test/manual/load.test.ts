import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { loadManual } from '../../src/manual/load.js';
import { missingSharedData, sharedDocument, skipSharedData } from '../support/shared-data.js';
import { entryOf, memoryIo } from './entry.js';

const tool = {
  name: 'a',
  inputs: {},
  tool_call_template: { call_template_type: 'http', url: 'https://api.example/a' },
};

function load(value: unknown) {
  const text = typeof value === 'string' ? value : JSON.stringify(value, undefined, 1);
  return loadManual(entryOf(), '/base', memoryIo({ '/base/demo.json': text }));
}

function manualOf(...tools: readonly unknown[]) {
  return { utcp_version: '1.0.1', manual_version: '2.1.0', tools };
}

async function findingsOf(value: unknown) {
  const error = await load(value).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof LoadError) return error.findings;
  throw new Error('the manual was loaded');
}

describe('a UTCP 1.x manual', () => {
  it('is loaded as authored, with the digest of its bytes and the place of each tool', async () => {
    const source = manualOf({ ...tool, description: 'd', tags: ['t'], average_response_size: 10, outputs: {} });
    const loaded = await load(source);
    expect(loaded.manual).toEqual(source);
    expect(loaded.notices).toEqual([]);
    expect(loaded.kind).toBe('utcp');
    expect(loaded.base_dir).toBe('/base');
    expect(loaded.pointers.get('a')).toBe('/tools/0');
    expect(loaded.lineOf('/tools/0/tool_call_template')).toBe(8);
    expect(loaded.digest).toBe(
      createHash('sha256')
        .update(JSON.stringify(source, undefined, 1))
        .digest('hex'),
    );
  });

  it('is read from YAML, an unquoted version included', async () => {
    const yaml = 'utcp_version: 1.0.1\nmanual_version: 1.0\ntools: []\n';
    const loaded = await load(yaml);
    expect(loaded.manual.manual_version).toBe('1.0');
    expect(loaded.notices).toEqual([expect.objectContaining({ rule: 'manual-version-number', line: 2 })]);
  });

  it('reports every problem at once, each with pointer, line and mend', async () => {
    const findings = await findingsOf(
      manualOf({ ...tool, name: 7 }, { ...tool, tool_call_template: { url: 'x' } }, { ...tool, tags: 'no' }),
    );
    expect(findings.map(({ rule, pointer, line }) => [rule, pointer, line])).toEqual([
      ['manual-shape', '/tools/0/name', 6],
      ['manual-shape', '/tools/1/tool_call_template', 16],
      ['manual-shape', '/tools/2/tags', 27],
    ]);
    for (const finding of findings) expect(finding.mend).not.toBe('');
  });

  it('leaves null members out with a notice, and keeps the nulls that a schema means', async () => {
    const loaded = await load(
      manualOf({
        ...tool,
        description: null,
        inputs: { type: 'object', title: null, properties: { x: { enum: ['a', null], default: null } } },
        tool_call_template: { ...tool.tool_call_template, headers: null },
      }),
    );
    expect(loaded.manual.tools[0]).toMatchObject({
      description: '',
      inputs: { type: 'object', properties: { x: { enum: ['a', null] } } },
      tool_call_template: tool.tool_call_template,
    });
    expect(loaded.notices.map(({ pointer }) => pointer)).toContain('/tools/0/tool_call_template/headers');
    expect(loaded.manual.tools[0]?.tool_call_template).not.toHaveProperty('headers');
  });

  it('leaves unknown keys out with a warning', async () => {
    const loaded = await load({ ...manualOf({ ...tool, version: 1 }), info: {} });
    expect(loaded.notices.map(({ rule, severity, pointer }) => [rule, severity, pointer])).toEqual([
      ['manual-unknown-key', 'warning', '/info'],
      ['manual-unknown-key', 'warning', '/tools/0/version'],
    ]);
    expect(loaded.manual.tools[0]).not.toHaveProperty('version');
  });

  it('refuses a protecting setting that stands in the manual, where it would protect nothing', async () => {
    const [finding] = await findingsOf(manualOf({ ...tool, required_scopes: ['admin'] }));
    expect(finding).toMatchObject({ rule: 'tool-setting-in-manual', pointer: '/tools/0/required_scopes' });
  });

  it('takes no inputs for a tool that declares none', async () => {
    const { inputs: _, ...open } = tool;
    const loaded = await load(manualOf(open));
    expect(loaded.manual.tools[0]?.inputs).toEqual({ type: 'object', properties: {}, additionalProperties: false });
    expect(loaded.notices[0]).toMatchObject({ rule: 'tool-inputs-missing' });
  });

  it('spells names as every client takes them, and says so', async () => {
    const loaded = await load(manualOf({ ...tool, name: 'get-book.by id' }, { ...tool, name: '2fa' }));
    expect(loaded.manual.tools.map(({ name }) => name)).toEqual(['get_book_by_id', '_2fa']);
    expect(loaded.notices.map(({ rule }) => rule)).toEqual(['tool-name-spelling', 'tool-name-spelling']);
  });

  it('refuses two tools that come to the same name', async () => {
    const findings = await findingsOf(manualOf({ ...tool, name: 'a.b' }, { ...tool, name: 'a-b' }));
    expect(findings).toContainEqual(expect.objectContaining({ rule: 'tool-name-collision', pointer: '/tools/1/name' }));
  });

  it('reads older names of a template and its auth', async () => {
    const loaded = await load(
      manualOf({ ...tool, tool_call_template: { type: 'http', url: 'https://x.example', auth: { type: 'basic' } } }),
    );
    expect(loaded.manual.tools[0]?.tool_call_template).toEqual({
      call_template_type: 'http',
      url: 'https://x.example',
      auth: { auth_type: 'basic' },
    });
  });

  it('refuses a version other than 1.x', async () => {
    expect((await findingsOf({ ...manualOf(tool), utcp_version: '2.0.0' }))[0]).toMatchObject({
      pointer: '/utcp_version',
    });
  });
});

describe('a UTCP 0.1 manual', () => {
  it.skipIf(skipSharedData)(`is migrated: the news manual of the specification (${missingSharedData})`, async () => {
    const path = sharedDocument('newsapi_manual.json');
    const loaded = await loadManual(entryOf({ source: path }), dirname(path));
    expect(loaded.kind).toBe('utcp-0.1');
    expect(loaded.manual.manual_version).toBe('1.0');
    expect(loaded.manual.tools.map(({ name }) => name)).toEqual(['everything_get', 'top_headlines_get']);
    expect(loaded.manual.tools[0]?.tool_call_template).toEqual({
      call_template_type: 'http',
      url: 'https://newsapi.org/v2/everything',
      http_method: 'GET',
      content_type: 'application/json',
      auth: { auth_type: 'api_key', api_key: '${NEWS_API_KEY}', var_name: 'X-Api-Key' },
    });
    expect(loaded.notices).toContainEqual(expect.objectContaining({ rule: 'manual-migrated' }));
    expect(JSON.parse(readFileSync(path, 'utf8')).tools[0].inputs).toEqual(loaded.manual.tools[0]?.inputs);
  });

  it('brings a command line into command and args, and refuses one that needs a shell', async () => {
    const cli = (command: string) => ({
      version: '1.0',
      tools: [
        { ...tool, tool_call_template: undefined, tool_provider: { provider_type: 'cli', command_name: command } },
      ],
    });
    const loaded = await load(cli('/usr/bin/date -u'));
    expect(loaded.manual.tools[0]?.tool_call_template).toEqual({
      call_template_type: 'cli',
      command: '/usr/bin/date',
      args: ['-u'],
    });
    expect((await findingsOf(cli('cat x | sh')))[1]).toMatchObject({ rule: 'manual-command-shell' });
  });

  it('refuses a provider type that has no protocol here', async () => {
    const findings = await findingsOf({
      version: '1.0',
      tools: [{ ...tool, tool_call_template: undefined, tool_provider: { provider_type: 'graphql', url: 'x' } }],
    });
    expect(findings).toContainEqual(expect.objectContaining({ rule: 'manual-provider-type', severity: 'error' }));
  });
});

describe('a source', () => {
  it('that is neither kind is refused with what would be right', async () => {
    expect((await findingsOf('{"hello": 1}'))[0]).toMatchObject({ rule: 'manual-unknown-kind' });
    expect((await findingsOf('[1]'))[0]).toMatchObject({ rule: 'manual-unknown-kind' });
  });

  it('that is not there or not UTF-8 is refused by the name that the user gave it', async () => {
    await expect(loadManual(entryOf(), '/secret/place', memoryIo({}))).rejects.toThrow(/^demo.json: .*ENOENT/);
    const io = { ...memoryIo({}), readFile: () => Promise.resolve(new Uint8Array([0x7b, 0xff, 0x7d])) };
    await expect(loadManual(entryOf(), '/base', io)).rejects.toThrow(/UTF-8/);
  });

  it('that is a URL is fetched by what the server hands in, and by nothing else', async () => {
    const url = 'https://api.example/utcp.json';
    const entry = entryOf({ source: url });
    const loaded = await loadManual(entry, '/base', memoryIo({ [url]: JSON.stringify(manualOf(tool)) }));
    expect(loaded.manual.tools).toHaveLength(1);
    await expect(loadManual(entry, '/base')).rejects.toThrow(/No URL is read here/);
  });
});
