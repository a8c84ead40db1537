import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { answerChecklist } from '../../src/config/index.js';
import { runCommand } from '../support/io.js';
import { makeFolder } from '../support/scratch.js';
import { keyEntry, loadFiles, startServer } from '../support/server.js';

/** The lines of the security guide's three checklists, as it has them. */
const guide = {
  provider: [
    'UTCP manual endpoint requires authentication',
    'All tool endpoints use HTTPS/WSS',
    'Input validation implemented for all tools',
    'Rate limiting configured per user/tool',
    'Security logging enabled',
    'Credentials stored securely (not hardcoded)',
    'SSL certificate validation enabled',
    'Appropriate timeouts configured',
    "Error messages don't leak sensitive information",
  ],
  consumer: [
    'Variable substitution is sanitized',
    'SSL certificate verification enabled',
    'Connection timeouts configured',
    'Rate limiting respected',
    'Security events logged',
    'Credentials rotated regularly',
    'Network connections monitored',
    'Input validation before tool calls',
  ],
  protocol: [
    'HTTP: HTTPS only, certificate validation',
    'WebSocket: WSS only, origin validation',
    'CLI: Sandboxed execution, input sanitization',
    'SSE: Authenticated connections, event limits',
    'Text: Path validation, size limits',
    'MCP: Trusted servers, resource limits',
  ],
};

const closed = { type: 'object', properties: {}, additionalProperties: false };
const toolOf = (name: string, template: object, inputs: object = closed) => ({
  name,
  description: `Runs ${name}.`,
  inputs,
  tool_call_template: { call_template_type: 'http', http_method: 'GET', url: 'https://api.example/x', ...template },
});
const manualOf = (...tools: readonly object[]) => ({ utcp_version: '1.1.0', manual_version: '1.0.0', tools });
const sound = {
  manuals: [{ name: 'shop', source: './shop.json' }],
  policy: { roles: { all: { discover: ['*'], call: ['*'] } } },
  callers: [{ id: 'me', roles: ['all'], api_keys: { current: keyEntry('k') } }],
  limits: { per_caller: { per_minute: 60 } },
};

/** Writes a configuration and its manual, and gives the configuration's file. */
function write(config: object, manual: object): string {
  const folder = makeFolder();
  mkdirSync(join(folder, 'conf'));
  writeFileSync(join(folder, 'conf/gatehouse.yaml'), stringify({ server: { port: 0, admin: { port: 0 } }, ...config }));
  writeFileSync(join(folder, 'conf/shop.json'), JSON.stringify(manual, null, 2));
  return join(folder, 'conf/gatehouse.yaml');
}

async function check(config: object, manual: object) {
  const { code, out } = await runCommand(['check', '--json', '--config', write(config, manual)]);
  return { code, ...JSON.parse(out) };
}

describe('gatehouse check', () => {
  it('answers every line of the guide, in its words and order, each with what the answer rests on', async () => {
    const { code, checklist, findings } = await check(sound, manualOf(toolOf('list', {})));
    expect([code, findings]).toEqual([0, []]);
    for (const list of ['provider', 'consumer', 'protocol'] as const) {
      const items = checklist.filter((item: { list: string }) => item.list === list);
      expect(items.map(({ title }: { title: string }) => title)).toEqual(guide[list]);
      for (const { status, evidence } of items) {
        expect(['pass', 'not_applicable']).toContain(status);
        expect(evidence).toEqual([{ text: expect.stringMatching(/\w{3}/) }]);
      }
    }
  });

  it('fails with the tool, its file and its line, or the key of the configuration and its line', async () => {
    const config = {
      ...sound,
      manuals: [
        {
          ...{ name: 'shop', source: './shop.json', timeout_ms: 300_000, prefix: 'my_' },
          allow_unverified_tls_hosts: ['api.example'],
        },
      ],
      limits: { per_caller: {} },
      server: { public_url: 'http://tools.example', port: 0, admin: { port: 0 } },
      mcp: { expose_tool_errors: true },
    };
    const manual = manualOf(
      toolOf('sound', {}),
      toolOf('open', { verify_ssl: false }, {}),
      toolOf('keyed', { headers: { 'X-Api-Key': 'k-1234-written-out' } }),
    );
    const { code, checklist, findings } = await check(config, manual);
    expect(code).toBe(1);
    const failed = checklist.filter(({ status }: { status: string }) => status === 'fail');
    expect(failed.map(({ list, id }: { list: string; id: string }) => `${list}/${id}`)).toEqual([
      'provider/https',
      'provider/input-validation',
      'provider/rate-limiting',
      'provider/credentials',
      'provider/certificate-validation',
      'provider/timeouts',
      'provider/error-messages',
      'consumer/upstream-certificates',
      'protocol/http',
    ]);
    const lineOf = (name: string) =>
      JSON.stringify(manual, null, 2)
        .split('\n')
        .findIndex((line) => line.includes(`"${name}"`));
    expect(findings).toContainEqual({
      rule: 'checklist-credentials',
      severity: 'error',
      file: './shop.json',
      pointer: '/tools/2',
      line: lineOf('keyed'),
      message: 'Credentials stored securely (not hardcoded): shop.my_keyed has a credential written out.',
      mend: expect.stringContaining('${API_NAME}'),
    });
    expect(findings).toContainEqual(
      expect.objectContaining({ rule: 'checklist-input-validation', pointer: '/tools/1', line: lineOf('open') }),
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ rule: 'checklist-https', pointer: '/server/public_url', line: expect.any(Number) }),
    );
    expect(JSON.stringify(findings)).not.toContain('written-out');
  });

  it('says of a configuration without callers that nobody can come in, and of an open listener that it is plain', async () => {
    const server = { host: '0.0.0.0', port: 0, admin: { port: 0 } };
    const { checklist } = await check({ manuals: sound.manuals, server }, manualOf(toolOf('a', {})));
    const answers: readonly { id: string; evidence: readonly { text: string }[] }[] = checklist;
    const evidence = Object.fromEntries(answers.map(({ id, evidence: [first] }) => [id, first?.text]));
    expect(evidence['manual-authentication']).toContain('nobody can come in');
    expect(evidence.https).toContain('neither TLS nor an https public_url');
    expect(evidence['key-rotation']).toContain('0 configured keys');
  });

  it('answers for each protocol that a tool uses, and for none besides', async () => {
    const manual = manualOf(
      toolOf('plain', { url: 'http://upstream.example/x' }),
      toolOf('socket', { call_template_type: 'websocket', url: 'ws://upstream.example/ws', http_method: undefined }),
      { ...toolOf('run', {}), tool_call_template: { call_template_type: 'cli', command: '/bin/true' } },
      { ...toolOf('events', {}), tool_call_template: { call_template_type: 'sse', url: 'https://api.example/sse' } },
      {
        ...toolOf('server', {}),
        tool_call_template: { call_template_type: 'mcp', server_config: { command: '/bin/true' } },
      },
    );
    const manuals = [{ ...sound.manuals[0], sandbox: 'none' }];
    const loaded = await loadFiles(makeFolder(), { config: { ...sound, manuals }, files: { 'shop.json': manual } });
    const items = answerChecklist(loaded).filter(({ list }) => list === 'protocol');
    expect(items.map(({ id, status, evidence: [first] }) => [id, status, first?.tool])).toEqual([
      ['http', 'fail', 'shop.plain'],
      ['websocket', 'fail', 'shop.socket'],
      ['cli', 'fail', 'shop.run'],
      ['sse', 'pass', undefined],
      ['text', 'not_applicable', undefined],
      ['mcp', 'fail', 'shop.server'],
    ]);
  });

  it('shows the lists to a person, and counts what fails', async () => {
    const config = write({ ...sound, limits: { per_caller: {} } }, manualOf(toolOf('a', {}, {})));
    const { code, out } = await runCommand(['check', '--config', config]);
    expect(code).toBe(1);
    expect(out).toContain('  FAIL  Rate limiting configured per user/tool\n        limits.per_caller sets no rate');
    expect(out).toMatch(/ {2}FAIL {2}Input validation[^\n]*\n {8}shop\.a accepts any arguments \(\.\/shop\.json:5\)/);
    expect(out).toContain('   n/a  CLI: Sandboxed execution, input sanitization\n        no such tool');
    expect(out.endsWith('2 of 23 items fail.')).toBe(true);
  });
});

describe('server.require_checklist', () => {
  const required = { ...sound, server: { require_checklist: true, port: 0, admin: { port: 0 } } };
  const failing = { ...required, limits: { per_caller: {} } };
  const files = { 'shop.json': manualOf(toolOf('a', {})) };

  it('refuses to start on a failure, names it, and leaves nothing running', async () => {
    const { code, out, err } = await runCommand(['serve', '--config', write(failing, files['shop.json'])]);
    expect(code).toBe(2);
    expect(err).toContain('[checklist-rate-limiting]');
    expect(out).not.toContain('server.ready');
  });

  it('refuses a reload on a failure, and what was in force goes on', async () => {
    const server = await startServer({ config: required, files });
    try {
      const next = await loadFiles(server.directory, { config: failing, files });
      await expect(server.server.apply(next)).rejects.toThrow('limits.per_caller sets no rate');
      const response = await fetch(`${server.url}/utcp`, { headers: { authorization: 'Bearer k' } });
      expect(response.status).toBe(200);
    } finally {
      await server.close();
    }
  });
});
