import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { parseDocument } from '../../src/manual/document.js';
import { findSyntaxError } from '../../src/manual/json-syntax.js';

function findingsOf(text: string, file: string, limits?: Parameters<typeof parseDocument>[2]) {
  try {
    parseDocument(text, file, limits);
  } catch (error) {
    if (error instanceof LoadError) return error.findings;
    throw error;
  }
  throw new Error('the document was read');
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// A text that breaks off is told from a whole one by what a stray mark at its end does to it.
function isComplete(text: string): boolean {
  return [',', '}', ']', ':', '""', 'true'].every((mark) => findSyntaxError(`${text} ${mark}`) < text.length + 2);
}

const json = `{
  "a": { "b/c": [1, {
    "deep": "text with \\" and } and : inside"
  }] },
  "empty": {}, "list": [],
  "last": null
}
`;
const yaml = `# a comment
a:
  b/c:
    - 1
    - deep: text
shared: &shared
  x: 1
alias: *shared
200: number as a name
`;

describe('a JSON document', () => {
  it('gives its value and the line of each pointer', () => {
    const document = parseDocument(json, 'a.json');
    expect(document.value).toEqual(JSON.parse(json));
    expect(document.lineOf('')).toBe(1);
    expect(document.lineOf('/a/b~1c')).toBe(2);
    expect(document.lineOf('/a/b~1c/1/deep')).toBe(3);
    expect(document.lineOf('/list')).toBe(5);
    expect(document.lineOf('/last')).toBe(6);
  });

  it('gives the line of the nearest ancestor for what is not there', () => {
    expect(parseDocument(json, 'a.json').lineOf('/a/b~1c/1/missing/deeper')).toBe(2);
  });

  it('reads a byte order mark away', () => {
    expect(parseDocument('\uFEFF{"a":1}', 'a.json').value).toEqual({ a: 1 });
  });

  it('keeps a member named __proto__ a plain member', () => {
    const { value } = parseDocument('{"__proto__":{"polluted":true}}', 'a.json');
    expect(Object.keys(Object(value))).toEqual(['__proto__']);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('refuses a name that stands twice, with the line of the second', () => {
    const text = '{\n"tools": [\n{ "url": "https://good.example",\n"u\\u0072l": "https://evil.example" }\n]}';
    expect(findingsOf(text, 'a.json')).toEqual([
      expect.objectContaining({ rule: 'document-duplicate-member', pointer: '/tools/0/url', line: 4, file: 'a.json' }),
    ]);
  });

  it('names the line of a syntax error and quotes nothing of the text', () => {
    const [finding] = findingsOf('{\n"api_key": "s3cret",\n"b" true\n}', 'a.json');
    expect(finding).toMatchObject({ rule: 'document-unreadable', line: 3 });
    expect(JSON.stringify(finding)).not.toContain('s3cret');
  });

  it.each([
    ['{\n"a": 1,\n}', 3],
    ['[1\n2]', 2],
    ['{"a": [\n{"b": 01}]}', 2],
    ['{"a":\n"line\nbreak"}', 2],
    ['[1,\n]', 2],
    ['{"a": 1}\n\nx', 3],
    ['[}', 1],
  ])('names the line where %j stops being JSON', (text, line) => {
    expect(findingsOf(text, 'a.json')[0]).toMatchObject({ line });
  });

  it('finds a syntax error in exactly the texts that JSON.parse refuses', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom('', ',', '}', ']', '"', ':', '1', ' '),
        (text, position, mark) => {
          const at = position % (text.length + 1);
          const changed = text.slice(0, at) + mark + text.slice(at + 1);
          const offset = findSyntaxError(changed);
          expect(parses(changed)).toBe(offset === changed.length && isComplete(changed));
        },
      ),
    );
  });

  it('names the last line of a text that breaks off', () => {
    expect(findingsOf('{\n"a": [1,\n2', 'a.json')[0]).toMatchObject({ line: 3 });
  });

  it.each([
    ['too long', '{"a":"bcd"}', { max_length: 5, max_depth: 10 }],
    ['nested too deep', `${'['.repeat(30)}${']'.repeat(30)}`, { max_length: 1000, max_depth: 10 }],
  ])('refuses a document that is %s', (_name, text, limits) => {
    expect(findingsOf(text, 'a.json', limits)[0]).toMatchObject({ rule: 'document-unreadable' });
  });

  it('survives a hundred thousand open brackets', () => {
    expect(findingsOf('['.repeat(100_000), 'a.json')[0]).toMatchObject({ rule: 'document-unreadable' });
    expect(findingsOf(`${'['.repeat(100_000)}${']'.repeat(100_000)}`, 'a.json')[0]).toMatchObject({ line: 1 });
  });
});

describe('a YAML document', () => {
  it('gives its value and the line of each pointer, through aliases too', () => {
    const document = parseDocument(yaml, 'a.yaml');
    expect(document.value).toEqual({
      a: { 'b/c': [1, { deep: 'text' }] },
      shared: { x: 1 },
      alias: { x: 1 },
      '200': 'number as a name',
    });
    expect(document.lineOf('/a/b~1c/1/deep')).toBe(5);
    expect(document.lineOf('/alias/x')).toBe(7);
    expect(document.lineOf('/200')).toBe(9);
    expect(document.lineOf('/nowhere')).toBe(2);
  });

  it('reads a flow mapping that is not JSON', () => {
    expect(parseDocument('{a: 1}', 'a.yml').value).toEqual({ a: 1 });
  });

  it('takes merge keys', () => {
    expect(parseDocument('x: &x {a: 1}\ny:\n  <<: *x\n  b: 2', 'a.yaml').value).toMatchObject({ y: { a: 1, b: 2 } });
  });

  it('refuses a name that stands twice', () => {
    expect(findingsOf('a: 1\nb: 2\na: 3\n', 'a.yaml')[0]).toMatchObject({ rule: 'document-duplicate-member', line: 3 });
  });

  it('refuses a billion laughs', () => {
    const levels = Array.from(
      { length: 12 },
      (_, level) => `l${level + 1}: &l${level + 1} [${'*l'.concat(`${level}, `).repeat(10)}]`,
    );
    const [finding] = findingsOf(`l0: &l0 ha\n${levels.join('\n')}`, 'a.yaml');
    expect(finding).toMatchObject({ rule: 'document-unreadable' });
    expect(finding?.message).toContain('aliases');
  });

  it('refuses one long text that is repeated by aliases', () => {
    const text = `a: &a "${'x'.repeat(100_000)}"\nb: [${'*a, '.repeat(900)}]`;
    expect(findingsOf(text, 'a.yaml')[0]?.message).toContain('aliases');
  });

  it.each([
    ['an infinity', 'a: .inf'],
    ['a tag of its own', 'a: !!binary aGVsbG8='],
    ['two documents', 'a: 1\n---\nb: 2'],
    ['broken indentation', 'a:\n  b: 1\n c: 2'],
  ])('refuses %s with its line', (_name, text) => {
    const [finding] = findingsOf(text, 'a.yaml');
    expect(finding).toMatchObject({ rule: 'document-unreadable', file: 'a.yaml' });
    expect(finding?.line).toBeGreaterThan(0);
  });

  it('survives a hundred thousand open brackets', () => {
    expect(findingsOf('['.repeat(100_000), 'a.yaml')[0]).toMatchObject({ rule: 'document-unreadable' });
  });
});
