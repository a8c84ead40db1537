import { register } from '@utcp/http';
import { UtcpManualSerializer } from '@utcp/sdk';
import { describe, expect, it } from 'vitest';
import { lintText } from '../../../src/manual/index.js';
import { lintTool, manualOf, rulesOf } from './tool.js';

register(true);

const http = { call_template_type: 'http', http_method: 'GET', url: 'https://api.example/books' };
const template = (more: object) => ({ tool_call_template: { ...http, ...more } });
const inputs = (schema: unknown) => ({
  inputs: { type: 'object', properties: { a: schema }, additionalProperties: false },
});
const key = { auth_type: 'api_key', api_key: '${API_KEY}', var_name: 'X-Key', location: 'header' };

/** What every official client needs of a manual, each with a manual that breaks it and the rule that says so. */
const needs: readonly (readonly [need: string, part: Record<string, unknown>, rule: string])[] = [
  ['no other key in a tool', { kind: 'x' }, 'manual-unknown-key'],
  ['no null', { outputs: null }, 'manual-null'],
  [
    'a type that every client knows',
    { tool_call_template: { call_template_type: 'text', file_path: '/a/b' } },
    'template-unportable',
  ],
  ['a type at all', template({ call_template_type: 'gopher' }), 'template-type'],
  ['an upper-case method', template({ http_method: 'get' }), 'http-method'],
  ['a known method', template({ http_method: 'HEAD' }), 'http-method'],
  [
    'GET or POST for streamable_http',
    template({ call_template_type: 'streamable_http', http_method: 'PUT' }),
    'http-method',
  ],
  ['an http twin for a stream', template({ call_template_type: 'sse' }), 'stream-without-twin'],
  ['no boolean schema', inputs(true), 'schema-boolean'],
  ['no type any', inputs({ type: 'any' }), 'schema-type'],
  ['no boolean required', inputs({ type: 'string', required: true }), 'schema-required'],
  ['whole lengths', inputs({ type: 'string', maxLength: 1.5 }), 'schema-length'],
  ['no other key in auth', template({ auth: { ...key, more: 'x' } }), 'auth-shape'],
  ['a known auth', template({ auth: { auth_type: 'digest' } }), 'auth-shape'],
  [
    'no null scope',
    template({
      auth: {
        auth_type: 'oauth2',
        token_url: 'https://id.example',
        client_id: '${API_ID}',
        client_secret: '${API_SECRET}',
        scope: null,
      },
    }),
    'auth-shape',
  ],
  ['no cookie location', template({ auth: { ...key, location: 'cookie' } }), 'auth-in-cookie'],
  ['no stray dollar', template({ url: 'https://api.example/books?$top=5' }), 'stray-dollar'],
  ['a name of letters, digits and _', { name: 'list-books' }, 'tool-name-spelling'],
  [
    'no path parameter twice',
    { ...inputs({ type: 'integer' }), ...template({ url: 'https://api.example/{a}/x/{a}' }) },
    'path-parameter-repeated',
  ],
  ['https', template({ url: 'http://gatehouse:8080/books' }), 'plain-http'],
  ['a whole average_response_size', { average_response_size: 1.5 }, 'average-response-size'],
  [
    'no list, boolean, null or object in a query',
    inputs({ type: 'array', items: { type: 'string' }, maxItems: 3 }),
    'query-argument-type',
  ],
];

describe('what the official clients need', () => {
  it.each(needs)('%s: a manual that breaks it is found', (_need, part, rule) => {
    expect(rulesOf(part, { expose: 'direct' })).toContain(rule);
  });

  it('no other key at the top, a utcp_version, and names that stay apart are asked for as well', () => {
    const whole = JSON.parse(manualOf({}));
    const rules = (manual: object) => lintText(JSON.stringify(manual), 'a.json').findings.map(({ rule }) => rule);
    expect(rules({ ...whole, name: 'x' })).toContain('manual-unknown-key');
    const { utcp_version: _version, ...rest } = whole;
    expect(rules(rest)).toContain('manual-version-missing');
    const [tool] = whole.tools;
    expect(
      rules({
        ...whole,
        tools: [
          { ...tool, name: 'a-b' },
          { ...tool, name: 'a.b' },
        ],
      }),
    ).toContain('tool-name-collision');
  });

  it('is asked of a manual before the official TypeScript client refuses it', () => {
    for (const [need, part] of needs) {
      const refused = isRefused(JSON.parse(manualOf(part)));
      if (refused) expect(lintTool(part, { expose: 'direct' }), need).not.toEqual([]);
    }
    expect(isRefused(JSON.parse(manualOf({})))).toBe(false);
    expect(isRefused(JSON.parse(manualOf({ outputs: null })))).toBe(true);
  });
});

function isRefused(manual: Record<string, unknown>): boolean {
  try {
    new UtcpManualSerializer().validateDict(manual);
    return false;
  } catch {
    return true;
  }
}

describe("the security guide's validate_manual_security", () => {
  it.each([
    ['plain HTTP', template({ url: 'http://api.example.com/data' }), 'plain-http'],
    ['a hard-coded credential', template({ auth: { ...key, api_key: 'sk-live-abcdef' } }), 'hardcoded-credential'],
    ['a password in a header', template({ headers: { 'X-Password': 'hunter2' } }), 'hardcoded-credential'],
    ['a secret in a body', template({ body: { client_secret: 'abc' } }), 'hardcoded-credential'],
    [
      'a relative command',
      { tool_call_template: { call_template_type: 'cli', command: 'ls' } },
      'cli-relative-command',
    ],
    [
      'a relative command among several',
      {
        tool_call_template: {
          call_template_type: 'cli',
          commands: [{ command: '/bin/true' }, { command: 'rm UTCP_ARG_a_UTCP_END' }],
        },
      },
      'cli-relative-command',
    ],
  ])('%s is found', (_name, part, rule) => {
    expect(rulesOf(part)).toContain(rule);
    expect(lintTool(part).find((finding) => finding.rule === rule)?.severity).toBe('error');
  });

  it.each([
    ['a variable', template({ auth: key })],
    ['an absolute command', { tool_call_template: { call_template_type: 'cli', command: '/usr/bin/id' } }],
    [
      'UTCP 1.1 commands',
      { tool_call_template: { call_template_type: 'cli', commands: [{ command: '/usr/bin/id -u' }] } },
    ],
  ])('%s is left alone', (_name, part) => {
    expect(rulesOf(part)).toEqual([]);
  });

  it('and what a shell or an argument makes of UTCP 1.1 commands is found at the command', () => {
    const cli = (command: string) => ({
      ...inputs({ type: 'string', maxLength: 9, description: 'A.' }),
      tool_call_template: { call_template_type: 'cli', commands: [{ command }] },
    });
    expect(rulesOf(cli('/bin/ls | /bin/sort'))).toContain('cli-shell');
    expect(rulesOf(cli('/bin/sh -c x'))).toContain('cli-shell');
    expect(lintTool(cli('/bin/ls UTCP_ARG_a_UTCP_END'))).toMatchObject([
      { rule: 'cli-argument-injection', pointer: '/tools/0/tool_call_template/commands/0/command' },
    ]);
    expect(rulesOf(cli('/bin/ls -- UTCP_ARG_a_UTCP_END'))).toEqual([]);
  });
});

describe('description-link', () => {
  it('finds an image, and mends a Markdown one by its words', () => {
    const [finding] = lintTool({ description: 'See ![the shelf](https://img.example/a.png) here.' });
    expect(finding).toMatchObject({
      rule: 'description-link',
      severity: 'error',
      fix: { value: 'See the shelf here.' },
    });
  });

  it('takes the URL of a file among examples for data, and in a description for a link', () => {
    const example = inputs({ type: 'string', maxLength: 50, description: 'A.', examples: ['file:///srv/work/'] });
    expect(lintTool(example)).toMatchObject([{ rule: 'description-link', severity: 'info' }]);
    expect(lintTool({ description: 'Open file:///etc/hosts' })).toMatchObject([{ severity: 'error' }]);
  });
});
