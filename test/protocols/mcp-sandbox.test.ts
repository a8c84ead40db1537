import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { mcpTemplateSchema } from '../../src/protocols/mcp-template.js';
import { makeBinding } from '../support/binding.js';
import {
  callJson,
  catchError,
  closeAll,
  createHarness,
  filesystemServer,
  hostileServer,
  modulesFolder,
} from '../support/mcp.js';
import { eventually, processesWith } from '../support/processes.js';
import { describeWithProgram } from '../support/requirement.js';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-mcp-'));
  chmodSync(folder, 0o777);
});
afterEach(async () => {
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

describeWithProgram('bwrap', 'an MCP server in the sandbox', () => {
  it('reads and writes the folder that is given to it', async () => {
    writeFileSync(join(folder, 'book.txt'), 'a page');
    const { prepare } = createHarness();
    const server = filesystemServer(folder);
    const read = await callJson(prepare('read_text_file', server), { path: join(folder, 'book.txt') });
    expect(read).toEqual({ content: 'a page' });
    await callJson(prepare('write_file', server), { path: join(folder, 'new.txt'), content: 'written' });
    expect(readFileSync(join(folder, 'new.txt'), 'utf8')).toBe('written');
  });

  it('refuses a path outside its folder, and says why where the configuration shows tool errors', async () => {
    const { prepare } = createHarness({ expose_tool_errors: true });
    const read = prepare('read_text_file', filesystemServer(folder));
    const error = await catchError(() => callJson(read, { path: '/etc/hostname' }));
    expect(error).toMatchObject({ code: 'upstream_failed', reason: 'tool_error' });
    expect(error.details.detail).toContain('Access denied');
  });

  it('sees no file that is not named, writes none, and reaches no port of this host', async () => {
    const listener = createServer().listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = listener.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'not for servers', { mode: 0o644 });
    const { prepare } = createHarness();
    const shut = await callJson(prepare('peek', hostileServer()), { path: secret, port });
    expect(shut).toEqual({ file: 'ENOENT', written: 'ENOENT', reached: 'ECONNREFUSED' });
    const shown = { ...hostileServer(), read_only_paths: [...hostilePaths(), folder], network: 'host' };
    const open = await callJson(prepare('peek', shown), { path: secret, port });
    expect(open).toEqual({ file: 'not for servers', written: 'EROFS', reached: 'reached' });
    listener.close();
  });

  it('is ended when it takes more memory than its limit, and is back', async () => {
    const { prepare, reports } = createHarness();
    const server = { ...hostileServer(), limits: { memory_bytes: 805_306_368 } };
    const [hoard, echo] = [prepare('hoard', server), prepare('echo', server)];
    await callJson(echo);
    const error = await catchError(() => callJson(hoard));
    expect(error.code).toBe('upstream_failed');
    expect(await callJson(echo, { text: 'again' })).toBe('again');
    expect(reports.map(({ kind }) => kind)).toEqual(['failed', 'restarted']);
  });

  it('is said at load to miss its script where the sandbox does not show it', () => {
    const binding = makeBinding();
    const { protocol } = createHarness();
    const prepare = (server: object) =>
      protocol.prepare(mcpTemplateSchema.parse({ call_template_type: 'mcp', server_config: server }), binding);
    prepare(hostileServer());
    expect(binding.notices).toEqual([]);
    prepare({ ...hostileServer(), read_only_paths: [] });
    expect(binding.notices).toMatchObject([
      { rule: 'sandbox-hides-file', pointer: '/tools/0/tool_call_template/server_config/args/0' },
    ]);
  });

  it.each([
    ['a command that is nowhere', { command: 'no-such-mcp-server' }],
    ['a path that does not exist', { command: '/bin/true', read_only_paths: ['/no/such/folder'] }],
    ['an argument of a caller in the command line', { command: '/bin/echo', args: ['{text}'] }],
  ])('is refused at load for %s', (_what, server) => {
    const { prepare } = createHarness();
    expect(() => prepare('echo', server)).toThrow(LoadError);
  });
});

function hostilePaths(): readonly string[] {
  const { read_only_paths: paths } = hostileServer();
  return Array.isArray(paths) ? paths.map(String) : [];
}

describeWithProgram('bwrap', 'when Gatehouse is killed', () => {
  let build = '';

  // The house as it is built, in a process of its own that can be killed.
  beforeAll(async () => {
    build = mkdtempSync(join(tmpdir(), 'gatehouse-build-'));
    const options = ['-p', 'tsconfig.build.json', '--outDir', join(build, 'dist'), '--declaration', 'false'];
    await promisify(execFile)(join(modulesFolder, '.bin/tsc'), options, { cwd: join(import.meta.dirname, '../..') });
    symlinkSync(modulesFolder, join(build, 'node_modules'));
    writeFileSync(join(build, 'package.json'), '{"type":"module"}');
    mkdirSync(join(build, 'run'));
  }, 120_000);
  afterAll(() => rmSync(build, { recursive: true, force: true }));

  it.each(['required', 'none'] as const)('no server is left, sandbox %s', async (sandbox) => {
    const flag = `--orphan-${process.pid}-${sandbox}`;
    const template = {
      call_template_type: 'mcp',
      tool_name: 'echo',
      server_config: { ...hostileServer([flag, '--ignore-end']) },
    };
    const script = join(build, 'run', `${sandbox}.js`);
    writeFileSync(script, gatehouseScript(template, sandbox));
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = await once(child.stdout, 'data');
    expect(String(said)).toContain('up');
    expect(processesWith(flag).length).toBeGreaterThan(0);
    child.kill('SIGKILL');
    expect(
      await eventually(
        () => processesWith(flag),
        (found) => found.length === 0,
      ),
    ).toEqual([]);
  });
});

function gatehouseScript(template: unknown, sandbox: string): string {
  const settings = { allow_private_hosts: [], allow_unverified_tls_hosts: [], tls: {}, sandbox };
  const limits = { max_response_bytes: 1_000_000, max_retries: 0, max_streams_per_caller: 1 };
  const binding = { tool: 'test.echo', inputs: {}, base_dir: '/', file: '', pointer: '', timeout_ms: 10_000 };
  return `
    import { createMcpProtocol } from '../dist/protocols/mcp.js';
    const protocol = createMcpProtocol({ report: () => undefined });
    const variables = { has: () => false, load: () => '' };
    const binding = ${JSON.stringify({ ...binding, settings: { ...settings, ...limits } })};
    protocol.prepare(${JSON.stringify(template)}, { ...binding, variables, notice: () => undefined });
    await protocol.start();
    console.log(protocol.health()[0].state);
    setInterval(() => undefined, 1000);
  `;
}
