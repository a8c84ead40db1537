import { chmodSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type AuthoredManual, isJsonObject, type JsonObject, LoadError } from '../../src/core/index.js';
import { manualEntrySchema } from '../../src/manual/config.js';
import { mcpSettingsSchema } from '../../src/protocols/mcp-config.js';
import { listMcpManual, parseMcpSource } from '../../src/protocols/mcp-manual.js';
import { approveMcpTools, reviewMcpServers, targetsOfSource, targetsOfTools } from '../../src/protocols/mcp-review.js';
import { mcpTemplateSchema } from '../../src/protocols/mcp-template.js';
import { makeBinding } from '../support/binding.js';
import {
  callJson,
  catchError,
  closeAll,
  createHarness,
  everythingServer,
  hostileServer,
  modulesFolder,
} from '../support/mcp.js';
import { readBlocks, readExampleTools } from '../support/page.js';
import { childProcesses } from '../support/processes.js';

let folder = '';
let lock = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-mcp-'));
  lock = join(folder, 'mcp.lock.json');
});
afterEach(async () => {
  await closeAll();
  rmSync(folder, { recursive: true });
});

function options(over: Readonly<Record<string, unknown>> = {}, variables: Readonly<Record<string, string>> = {}) {
  const binding = makeBinding({ variables, timeout_ms: 10_000 });
  return {
    ...binding,
    pointer: '/manuals/0/mcp',
    manual: 'test',
    mcp: mcpSettingsSchema.parse({ lock_file: lock, ...over }),
  };
}

function findTool(manual: AuthoredManual, name: string) {
  const tool = manual.tools.find((candidate) => candidate.name === name);
  if (!tool) throw new Error(`${name} is not listed.`);
  return tool;
}

/** Calls a listed tool, through the template that the listing gave it. */
async function callListed(manual: AuthoredManual, name: string, args: JsonObject): Promise<unknown> {
  const { prepare } = createHarness({ lock_file: lock });
  const { tool_call_template: template } = findTool(manual, name);
  const { server_config: server } = template;
  if (!isJsonObject(server)) throw new Error('A template with server_config was expected.');
  return callJson(prepare(name, server, { template }), args);
}

describe('a manual entry with source: mcp', () => {
  it('lists the tools of the reference server as UTCP tools, and leaves no process', async () => {
    const before = childProcesses();
    const manual = await listMcpManual({ server_config: everythingServer() }, options());
    expect(childProcesses()).toEqual(before);
    expect(manual).toMatchObject({ utcp_version: '1.1.0', manual_version: '1.0.0' });
    const echo = findTool(manual, 'echo');
    expect(echo).toMatchObject({
      description: 'Echoes back the input string',
      inputs: { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] },
      tags: ['mcp', 'read', 'idempotent'],
      tool_call_template: { call_template_type: 'mcp', tool_name: 'echo', definition_digest: expect.any(String) },
    });
    expect(findTool(manual, 'get_structured_content').outputs).toMatchObject({
      required: expect.arrayContaining(['humidity']),
    });
    expect(manual.tools.map(({ name }) => name)).toEqual(manual.tools.map(({ name }) => name.replace(/\W/g, '_')));
    expect(await callListed(manual, 'get_sum', { a: 2, b: 3 })).toContain('5');
  });

  it('takes the shape of UTCP 1.x, and puts the names of several servers before their tools', async () => {
    const server = hostileServer();
    const manual = await listMcpManual({ config: { mcpServers: { one: server, two: server } } }, options());
    const echoes = manual.tools.filter(({ name }) => name.endsWith('_echo'));
    expect(echoes.map(({ name }) => name)).toEqual(['one_echo', 'two_echo']);
    expect(echoes[1]?.tool_call_template).toMatchObject({ tool_name: 'echo', config: { mcpServers: { two: server } } });
  });

  it('leaves variables in the template: their values are nowhere in the manual', async () => {
    const server = hostileServer([], { KEY: `\${API_KEY}` });
    const manual = await listMcpManual({ server_config: server }, options({}, { API_KEY: 's3cret-value' }));
    const text = JSON.stringify(manual);
    expect(text).toContain(`\${API_KEY}`);
    expect(text).not.toContain('s3cret-value');
  });

  it.each([
    [{}, 'exactly one of'],
    [{ url: 'https://mcp.example.com', server_config: { command: '/bin/true' } }, 'exactly one of'],
    [{ server_config: { command: '/bin/true', headers: {} } }, 'does not go with command'],
    [{ server_config: { url: 'https://mcp.example.com', args: [] } }, 'does not go with url'],
    [{ server_config: { command: '/bin/true', shell: true } }, 'Unrecognized key'],
    [{ config: { mcpServers: {} } }, 'at least one server'],
  ])('is refused when it is not one: %j', (source, message) => {
    expect(() => parseMcpSource(source, { file: 'gatehouse.yaml', pointer: '/manuals/0/mcp' })).toThrow(message);
  });

  it("fails the load with the server's last words, stripped and without its secrets", async () => {
    const source = { server_config: hostileServer(['--exit-aloud'], { KEY: `\${API_KEY}` }) };
    const error = await listMcpManual(source, options({}, { API_KEY: 's3cret-value' })).catch(
      (caught: unknown) => caught,
    );
    if (!(error instanceof LoadError)) throw new Error('A LoadError was expected.', { cause: error });
    expect(error.findings).toMatchObject([{ rule: 'mcp-server-unusable', pointer: '/manuals/0/mcp/server_config' }]);
    expect(error.message).toContain('It said: cannot read  [31mbooks [0m with ***');
    expect(error.message).not.toContain('s3cret-value');
    expect(error.message).not.toContain('\u001b');
  });
});

describe('a server that the lock file knows', () => {
  async function approveAll(flags: readonly string[] = []): Promise<void> {
    const source = parseMcpSource({ server_config: hostileServer(flags) }, { file: '', pointer: '' });
    const reviews = await reviewMcpServers(targetsOfSource('test', source), options(), options().mcp);
    approveMcpTools(reviews, options().mcp);
  }

  it('is published as it was approved when a tool has changed, with a notice, and its calls are refused', async () => {
    await approveAll();
    const binding = options();
    const manual = await listMcpManual({ server_config: hostileServer(['--changed']) }, binding);
    expect(findTool(manual, 'echo').description).toBe('Says it back.');
    expect(binding.notices).toMatchObject([{ rule: 'mcp-tool-quarantined', severity: 'warning' }]);
    const error = await catchError(() => callListed(manual, 'echo', {}));
    expect(error).toMatchObject({ code: 'upstream_unavailable', reason: 'quarantined' });
    expect(await callListed(manual, 'json', {})).toBe('{"a":1}');
  });

  it('is published without a tool that is new, with a notice', async () => {
    await approveAll();
    const binding = options();
    const manual = await listMcpManual({ server_config: hostileServer(['--extra-tool']) }, binding);
    expect(manual.tools.map(({ name }) => name)).not.toContain('extra');
    expect(binding.notices).toMatchObject([{ rule: 'mcp-tool-new', message: expect.stringContaining('"extra"') }]);
  });

  it('is published without a tool that is gone, with a notice', async () => {
    await approveAll(['--extra-tool']);
    const binding = options();
    const manual = await listMcpManual({ server_config: hostileServer() }, binding);
    expect(manual.tools.map(({ name }) => name)).not.toContain('extra');
    expect(binding.notices).toMatchObject([{ rule: 'mcp-tool-gone' }]);
  });

  it('is reviewed tool by tool: what changed, what it was, and what a person approves is served after that', async () => {
    await approveAll();
    const config = hostileServer(['--changed', '--extra-tool']);
    const source = parseMcpSource({ server_config: config }, { file: '', pointer: '' });
    const review = () => reviewMcpServers(targetsOfSource('test', source), options(), options().mcp);
    const reviews = await review();
    expect(reviews).toMatchObject([
      {
        manual: 'test',
        server: 'default',
        changes: [
          {
            kind: 'changed',
            tool: 'echo',
            approved: { description: 'Says it back.' },
            current: { description: 'Changed between two starts.' },
          },
          { kind: 'new', tool: 'extra' },
        ],
      },
    ]);
    expect(approveMcpTools(reviews, options().mcp, new Set(['echo']))).toBe(1);
    expect((await review())[0]?.changes).toMatchObject([{ kind: 'new', tool: 'extra' }]);
    const manual = await listMcpManual({ server_config: config }, options());
    expect(findTool(manual, 'echo').description).toBe('Changed between two starts.');
    expect(await callListed(manual, 'echo', { text: 'approved' })).toBe('approved');
  });

  it('is reviewed for the tools alone that a written manual uses', async () => {
    const server_config = hostileServer();
    const template = { call_template_type: 'mcp', tool_name: 'echo', server_config };
    const tool = { name: 'say', description: '', inputs: {}, tags: [], tool_call_template: template };
    const targets = targetsOfTools('books', [
      tool,
      { ...tool, name: 'json', tool_call_template: { ...template, tool_name: 'json' } },
    ]);
    expect(targets).toHaveLength(1);
    const reviews = await reviewMcpServers(targets, { ...options(), pointer: '' }, options().mcp);
    expect(reviews[0]?.changes.map(({ tool: name }) => name)).toEqual(['echo', 'json']);
  });

  it('cannot be approved without a lock file', async () => {
    const reviews = [
      {
        manual: 'test',
        server: 'default',
        changes: [{ kind: 'new', tool: 'a', current: { name: 'a', inputSchema: {} } }],
      },
    ] as const;
    expect(() => approveMcpTools(reviews, mcpSettingsSchema.parse({}))).toThrow('mcp.lock_file is not configured');
  });
});

describe('the examples of the pages', () => {
  it('load, and the first tool runs', async () => {
    const notes = realpathSync(mkdtempSync(join(tmpdir(), 'gatehouse-notes-')));
    chmodSync(notes, 0o755);
    writeFileSync(join(notes, 'first.txt'), 'a note');
    const variables = { UTCP_MCP_HOME: modulesFolder, API_SEARCH_TOKEN: 'token' };
    const { protocol } = createHarness();
    const [read, search] = readExampleTools('protocols/mcp.md').map(
      ({ name, inputs, tool_call_template: template }) => {
        // The page's folder is not on this machine.
        const text = JSON.stringify(template).replaceAll('/srv/notes', notes);
        const binding = makeBinding({ inputs, variables, timeout_ms: 10_000 });
        return protocol.prepare(mcpTemplateSchema.parse(JSON.parse(text)), { ...binding, tool: `notes.${name}` });
      },
    );
    if (!read || !search) throw new Error('The page has two tools.');
    expect(await callJson(read, { path: join(notes, 'first.txt') })).toEqual({ content: 'a note' });
    rmSync(notes, { recursive: true });
  });

  it.each(['protocols/mcp.md', 'guides/move-from-mcp.md'])('are valid configurations: %s', (page) => {
    const text = readBlocks(page).find((block) => block.includes('manuals:')) ?? '';
    const { manuals, mcp } = parse(text);
    const entries = manualEntrySchema.array().min(2).parse(manuals);
    for (const { source, mcp: servers } of entries) {
      if (source === 'mcp') parseMcpSource(servers, { file: page, pointer: '' });
    }
    expect(mcpSettingsSchema.parse(mcp).lock_file).toBe('./mcp.lock.json');
  });
});
