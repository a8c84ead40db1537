import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { fixText } from '../../../src/manual/lint/fix.js';
import { lintRules, lintText } from '../../../src/manual/lint/lint.js';
import { toSarif } from '../../../src/manual/lint/sarif.js';
import { readSuppressions } from '../../../src/manual/lint/suppression.js';
import { manualOf } from './tool.js';

const wrong = manualOf({
  description: 'Lists\u200B books.',
  average_response_size: 1.5,
  outputs: null,
  inputs: {
    type: 'object',
    properties: {
      a: { type: 'any', description: 'A.' },
      b: true,
      c: { type: 'integer', required: true, description: 'C.' },
    },
    additionalProperties: false,
  },
  tool_call_template: { call_template_type: 'http', http_method: 'get', url: 'https://api.example/books?$top=5' },
});

describe('--fix', () => {
  it('mends what is safe to mend, in as many runs as places lie inside each other', () => {
    let text = wrong;
    for (let run = 0; run < 3; run++) text = fixText(text, lintText(text, 'a.json').findings).text;
    expect(lintText(text, 'a.json').findings.filter(({ fix }) => fix)).toEqual([]);
    expect(JSON.parse(text).tools[0]).toEqual({
      name: 'list_books',
      description: 'Lists books.',
      inputs: {
        type: 'object',
        properties: { a: { description: 'A.' }, b: {}, c: { type: 'integer', description: 'C.' } },
        required: ['c'],
        additionalProperties: false,
      },
      tags: ['books'],
      tool_call_template: { call_template_type: 'http', http_method: 'GET', url: 'https://api.example/books?%24top=5' },
      average_response_size: 2,
    });
    expect(text).toContain('\n  "tools"');
  });

  it('changes nothing where nothing is wrong', () => {
    const text = manualOf({});
    expect(fixText(text, lintText(text, 'a.json').findings)).toEqual({ text, fixed: [] });
  });

  it('keeps the comments of YAML', () => {
    const text = [
      'utcp_version: 1.1.0',
      'manual_version: 1.0.0 # ours',
      'tools:',
      '  # the only one',
      '  - name: a',
      '    description: Lists.',
      '    inputs: {}',
      '    outputs: null',
      '    tool_call_template: { call_template_type: http, http_method: post, url: https://api.example }',
      '',
    ].join('\n');
    const fixed = fixText(text, lintText(text, 'a.yaml').findings);
    expect(fixed.fixed.map(({ rule }) => rule).sort()).toEqual(['http-method', 'manual-null']);
    expect(fixed.text).toContain('# ours');
    expect(fixed.text).toContain('# the only one');
    expect(parse(fixed.text).tools[0]).toEqual({
      name: 'a',
      description: 'Lists.',
      inputs: {},
      tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://api.example' },
    });
  });
});

describe('suppressions', () => {
  const text = manualOf({ tool_call_template: { call_template_type: 'http', url: 'http://10.0.0.1' } });
  const reason = 'Only reachable through the tunnel.';

  it('take a finding out by rule, by tool and by place, and keep its reason', () => {
    for (const entry of [
      { rule: 'plain-http' },
      { rule: 'plain-http', tool: 'list_books' },
      { rule: 'plain-http', pointer: '/tools/0/tool_call_template' },
      { rule: 'plain-http', tool: 'list_books', pointer: '/tool_call_template/url' },
    ]) {
      const report = lintText(text, 'a.json', { suppress: [{ ...entry, reason }] });
      expect(report.findings.map(({ rule }) => rule)).toEqual(['private-host']);
      expect(report.suppressed).toEqual([{ finding: expect.objectContaining({ rule: 'plain-http' }), reason }]);
    }
  });

  it.each([
    { rule: 'tls-unverified' },
    { rule: 'plain-http', tool: 'other' },
    { rule: 'plain-http', pointer: '/tools/0/tool_call' },
  ])('that fit nothing are reported: %j', (entry) => {
    const rules = lintText(text, 'a.json', { suppress: [{ ...entry, reason }] }).findings.map(({ rule }) => rule);
    expect(rules).toContain('plain-http');
    expect(rules).toContain('suppression-unused');
  });

  it('are read from a file, and need a reason', () => {
    const good = `suppress:\n  - rule: plain-http\n    reason: ${reason}\n`;
    expect(readSuppressions(good, '.gatehouse-lint.yaml')).toEqual([{ rule: 'plain-http', reason }]);
    for (const bad of [
      'suppress:\n  - rule: plain-http\n',
      'suppress:\n  - rule: a\n    reason: ok\n',
      'supress: []\n',
    ]) {
      expect(() => readSuppressions(bad, '.gatehouse-lint.yaml')).toThrow(/.gatehouse-lint.yaml:\d/);
    }
  });
});

describe('SARIF', () => {
  it('is a 2.1.0 log of the rules, the findings and what is suppressed', () => {
    const suppress = [{ rule: 'private-host', reason: 'Only in the test network.' }];
    const text = manualOf({ tool_call_template: { call_template_type: 'http', url: 'http://10.0.0.1' } });
    const log = toSarif(lintText(text, 'manuals/a.json', { suppress }), '1.2.3');
    expect(log).toMatchObject({
      version: '2.1.0',
      runs: [
        {
          tool: { driver: { name: 'gatehouse', version: '1.2.3' } },
          results: [
            {
              ruleId: 'plain-http',
              ruleIndex: lintRules.findIndex(({ id }) => id === 'plain-http'),
              level: 'error',
              locations: [
                {
                  physicalLocation: {
                    artifactLocation: { uri: 'manuals/a.json' },
                    region: { startLine: expect.any(Number) },
                  },
                  logicalLocations: [{ fullyQualifiedName: '/tools/0/tool_call_template/url' }],
                },
              ],
            },
            {
              ruleId: 'private-host',
              suppressions: [{ kind: 'external', justification: 'Only in the test network.' }],
            },
          ],
        },
      ],
    });
  });
});
