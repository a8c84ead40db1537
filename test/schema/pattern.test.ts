import { describe, expect, it } from 'vitest';
import { compilePattern, createSchemaCompiler } from '../../src/schema/index.js';

const length = 100_000;
const hostile = [
  'a'.repeat(length),
  `${'a'.repeat(length)}!`,
  `a@${'a-'.repeat(length / 2)}!`,
  `a@${'a.'.repeat(length / 2)}!`,
  `http://${'a-'.repeat(length / 2)}!`,
  `http://a.${'\u00a1a-'.repeat(length / 3)}`,
  `http://[${'1:'.repeat(length / 2)}`,
  `/${'~0'.repeat(length / 2)}~`,
  `P${'1'.repeat(length)}`,
  `{${'a,'.repeat(length / 2)}`,
  `${'%41'.repeat(length / 3)}%`,
  `${'1'.repeat(length)}t${'1'.repeat(length)}`,
  'T'.repeat(length),
  ' '.repeat(length),
  '('.repeat(length / 50),
];

describe('patterns', () => {
  it.each([
    '(a+)+$',
    '^(a|a)*$',
    '^(a*)*b$',
    '(.*)*x',
    '^(\\w+\\s?)*$',
    'a*a*a*a*a*b',
    '^a*a*a*b',
    '.*.*=.*',
    '^a{0,900}a{0,900}b',
  ])('%s runs in linear time on a text that makes a backtracking engine hang', (source) => {
    const pattern = compilePattern(source);
    const start = performance.now();
    for (const text of hostile) pattern.test(text);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it.each<[string, string, boolean]>([
    ['^[a-z]+$', 'abc', true],
    ['^[a-z]+$', 'abc\n', false],
    ['^[a-zA-Z0-9_-]{1,5}$', 'abc-de', false],
    ['^[A-Z]{2}-\\d{4}$', 'AB-1234', true],
    ['^\\p{L}+$', 'Größe', true],
    ['b', 'abc', true],
    ['^(foo|bar)(-\\d+)?$', 'bar-12', true],
    ['^(foo|bar)(-\\d+)?$', 'bar-12x', false],
    ['^\\u00e9$', 'é', true],
    ['^.$', '😀', true],
    ['^[^/]+$', 'a/b', false],
    ['^\\S+@\\S+$', 'a@b', true],
  ])('%s on %j is %s', (source, text, fits) => {
    expect(compilePattern(source).test(text)).toBe(fits);
    expect(new RegExp(source, 'u').test(text)).toBe(fits);
  });

  it('two patterns with the same beginning are not taken for one', () => {
    const validate = createSchemaCompiler().compile({
      properties: { a: { pattern: '^(a|b)+$' }, b: { pattern: '^(a|b)+' } },
    });
    expect(validate({ a: 'abx', b: 'abx' })).toHaveLength(1);
  });
});

describe('formats', () => {
  const formats = (
    'date time date-time iso-time iso-date-time duration uri uri-reference uri-template url email hostname ipv4 ipv6 ' +
    'regex uuid json-pointer json-pointer-uri-fragment relative-json-pointer byte binary password'
  ).split(' ');

  it.each(formats)('%s neither hangs nor throws on hostile texts', (format) => {
    const validate = createSchemaCompiler().compile({ type: 'string', format });
    // Processor time: others may be loading the machine.
    const start = process.cpuUsage();
    for (const text of hostile) validate(text);
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(3000);
  });

  it.each<[string, string, string]>([
    ['url', 'https://example.com/a?b', 'javascript:alert(1)'],
    ['byte', 'aGk=', 'aGk'],
    ['regex', '^a+$', '(?<=a)b'],
    ['email', 'a@example.com', 'a@'],
    ['date-time', '2026-01-02T03:04:05Z', '2026-13-02T03:04:05Z'],
    ['uuid', '123e4567-e89b-12d3-a456-426614174000', '123'],
    ['uri', 'https://example.com/%20', 'https://example.com/ x'],
  ])('%s tells good from bad', (format, good, bad) => {
    const validate = createSchemaCompiler().compile({ format });
    expect(validate(good)).toBeUndefined();
    expect(validate(bad)).toHaveLength(1);
  });

  it('int32 holds its range', () => {
    const validate = createSchemaCompiler().compile({ type: 'integer', format: 'int32' });
    expect(validate(2 ** 31 - 1)).toBeUndefined();
    expect(validate(2 ** 31)).toHaveLength(1);
  });
});
