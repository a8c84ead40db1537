import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatehouseError, type Json, LoadError } from '../../src/core/index.js';
import {
  type CompileOptions,
  compileText,
  encodeArgument,
  type SubstitutionContext,
  substituteVariables,
} from '../../src/variables/index.js';
import { inputsOf, makeVariables } from '../support/binding.js';

const canary = 'canary-value';

function options(
  context: SubstitutionContext,
  inputs: readonly string[] = [],
  variables: Record<string, string> = {},
): CompileOptions {
  return {
    context,
    inputs: inputsOf(...inputs),
    variables: makeVariables(variables),
    file: 'manual.yaml',
    pointer: '/tools/0',
  };
}

function render(
  text: string,
  context: SubstitutionContext,
  args: Record<string, Json>,
  variables: Record<string, string> = {},
): string | undefined {
  return compileText(text, options(context, Object.keys(args), variables)).render(args);
}

function refusal(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

const contexts: readonly SubstitutionContext[] = [
  ...(['header', 'url_path', 'url_query', 'argv', 'file_path', 'json', 'plain'] as const),
];
const text = fc.string({ unit: 'grapheme', minLength: 1 });

describe('compileText', () => {
  it('tells arguments from variables: {x} and ${x} are arguments where x is an input, else ${X} is a variable', () => {
    expect(render('{a}-${a}-${API_B}', 'plain', { a: 'one' }, { API_B: 'two' })).toBe('one-one-two');
  });

  it('puts variables in at load, so that a text without arguments is constant', () => {
    const compiled = compileText('Bearer ${API_KEY}', options('header', ['a'], { API_KEY: 'k' }));
    expect(compiled.constant).toBe('Bearer k');
    expect([...compiled.arguments]).toEqual([]);
    expect(compileText('', options('plain')).constant).toBe('');
  });

  it('takes a call’s own request id at call time, unless request_id is an input', () => {
    const compiled = compileText('${request_id}', options('header'));
    expect(compiled.constant).toBeUndefined();
    expect(compiled.render({}, { request_id: 'r-1' })).toBe('r-1');
    expect(compiled.render({})).toBeUndefined();
    expect(compileText('${request_id}', options('header', ['request_id'])).render({ request_id: 'mine' })).toBe('mine');
  });

  it('gives undefined when an argument is absent, inherited ones included', () => {
    const compiled = compileText('{a}{toString}', options('plain', ['a', 'toString']));
    expect(compiled.render({ a: 1 })).toBeUndefined();
    expect(compiled.render({ a: 1, toString: 'x' })).toBe('1x');
  });

  it('$$ escapes a dollar sign, braces behind it included', () => {
    expect(render('$$5 $$ $${API_X} $${a}', 'plain', { a: 'A' })).toBe('$5 $ ${API_X} ${a}');
    expect(render('?$top=5 $', 'plain', {})).toBe('?$top=5 $');
  });

  it('takes input names as JSON schema allows them', () => {
    expect(render('/{user-id}/{filter[x]}', 'url_path', { 'user-id': 1, 'filter[x]': 2 })).toBe('/1/2');
  });

  it.each([
    ['{b}', /names no input/],
    ['/{user-id}', /names no input/],
    ['${API_MISSING}', /API_MISSING is not set/],
    ['${PATH}', /PATH is not allowed/],
    ['${a.b}', /no placeholder/],
    ['${}', /no placeholder/],
    ['${ API_A }', /no placeholder/],
    ['{API_A}', /both an input and a variable|names no input/],
  ])('refuses %s at load, with its place', (template, message) => {
    const error = refusal(() => compileText(template, options('url_path', ['a'], { API_A: canary })));
    expect(error).toBeInstanceOf(LoadError);
    expect(error).toMatchObject({ findings: [{ file: 'manual.yaml', pointer: '/tools/0' }] });
    expect(String(error)).toMatch(message);
    expect(String(error)).not.toContain(canary);
  });

  it('refuses a name that is both an input and an allowed variable', () => {
    const both = options('plain', ['API_A'], { API_A: canary });
    expect(() => compileText('${API_A}', both)).toThrow(/both an input of the tool and a variable/);
    expect(() => compileText('{API_A}', both)).toThrow(LoadError);
  });

  it('refuses it where the variable is not set as well, so that no caller fills in for a forgotten secret', () => {
    const unset = options('plain', ['API_A']);
    expect(() => compileText('${API_A}', unset)).toThrow(/both an input of the tool and a variable/);
    expect(compileText('{API_A}', unset).render({ API_A: 'x' })).toBe('x');
  });

  it('expands in one pass: values that look like placeholders stay text', () => {
    const variables = { API_A: '${API_B} {a} $$', API_B: canary };
    expect(render('${API_A}|{a}', 'plain', { a: '${API_B} {a} $$' }, variables)).toBe(
      '${API_B} {a} $$|${API_B} {a} $$',
    );
  });

  it('never expands a value, whatever it is (property)', () => {
    fc.assert(
      fc.property(text, text, (argument, variable) => {
        fc.pre(!/\0/.test(argument + variable));
        const rendered = render('{a}|${API_A}', 'plain', { a: argument }, { API_A: variable });
        expect(rendered).toBe(`${argument}|${variable}`);
      }),
    );
  });

  it('refuses unsafe variables by name at load: line breaks and NUL in a header or a URL', () => {
    for (const context of ['header', 'url_base', 'url_path', 'url_query'] as const) {
      for (const value of ['a\nb', 'a\rb', 'a\0b']) {
        const error = refusal(() => compileText('${API_A}', options(context, [], { API_A: `${canary}${value}` })));
        expect(error).toBeInstanceOf(LoadError);
        expect(String(error)).toMatch(/API_A/);
        expect(String(error)).not.toContain(canary);
      }
    }
    expect(() => compileText('${API_A}', options('plain', [], { API_A: 'a\0b' }))).toThrow(LoadError);
    expect(() => compileText('${API_A}', options('header', [], { API_A: 'a\tb\u0007' }))).toThrow(/header/);
    expect(() => compileText('a\u0001{x}', options('header', ['x']))).toThrow(/header/);
    expect(() => compileText('\u2603', options('header'))).toThrow(/header/);
  });

  it('encodes a variable for its place in a URL, and leaves an origin whole', () => {
    const variables = { API_BASE: 'https://h:1/v1', API_PATH: 'a b/c?d', API_KEY: 'x&y=z/' };
    expect(render('${API_BASE}', 'url_base', {}, variables)).toBe('https://h:1/v1');
    expect(render('${API_PATH}', 'url_path', {}, variables)).toBe('a%20b/c%3Fd');
    expect(render('${API_KEY}', 'url_query', {}, variables)).toBe('x%26y%3Dz%2F');
  });
});

describe('substituteVariables', () => {
  it('puts variables alone in; braces are text', () => {
    expect(substituteVariables('${API_A}{b}$$', options('header', [], { API_A: 'x' }))).toBe('x{b}$');
    expect(() => substituteVariables('${PATH}', options('header'))).toThrow(LoadError);
  });
});

describe('an argument in a header', () => {
  it.each(['\r', '\n', '\0', '\r\nx-evil: 1', '\u007f', '\u0001', '\u2603'])('is refused when it holds %j', (bad) => {
    const error = refusal(() => render('{a}', 'header', { a: `x${bad}` }));
    expect(error).toBeInstanceOf(GatehouseError);
    expect(error).toMatchObject({ code: 'invalid_input', details: { errors: [{ pointer: '/a' }] } });
  });

  it('never adds a line (property)', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const rendered =
          refusal(() => render('x {a}', 'header', { a: value })) ?? render('x {a}', 'header', { a: value });
        if (typeof rendered === 'string') expect(rendered).toMatch(/^x [\t\x20-\x7e\x80-\xff]*$/);
        else expect(rendered).toBeInstanceOf(GatehouseError);
      }),
    );
  });

  it('writes a list of plain values with commas', () => {
    expect(render('{a}', 'header', { a: [1, 'b', true] })).toBe('1,b,true');
  });
});

describe('an argument in a URL', () => {
  it('stays inside its path segment or query value, and can be read back (property)', () => {
    fc.assert(
      fc.property(text, text, (path, query) => {
        fc.pre(path !== '.' && path !== '..');
        const rendered = `${render('/a/{p}/b', 'url_path', { p: path })}?q=${render('{q}', 'url_query', { q: query })}`;
        const url = new URL(rendered, 'https://upstream.example');
        expect(url.origin).toBe('https://upstream.example');
        expect(url.pathname.split('/').map(decodeURIComponent)).toEqual(['', 'a', path, 'b']);
        expect(decodeURIComponent(url.search.slice('?q='.length))).toBe(query);
        expect([...url.searchParams.keys()]).toEqual(['q']);
        expect(url.hash).toBe('');
      }),
    );
  });

  it.each(['.', '..', ''])('refuses %j as a path segment, which a URL parser would climb', (value) => {
    expect(() => render('/a/{p}', 'url_path', { p: value })).toThrow(GatehouseError);
  });

  it('climbs nowhere by a value that is already encoded', () => {
    const rendered = render('/a/b/{p}', 'url_path', { p: '%2e%2e/%2e%2e' });
    expect(new URL(rendered ?? '', 'https://upstream.example').pathname).toBe('/a/b/%252e%252e%2F%252e%252e');
  });

  it('refuses broken Unicode', () => {
    expect(() => render('/{p}', 'url_path', { p: '\ud800' })).toThrow(GatehouseError);
  });

  it('never chooses the host', () => {
    expect(() => render('https://{h}', 'url_base', { h: 'evil.example' })).toThrow(/host of a URL/);
  });
});

describe('an argument in an argv or a file path', () => {
  it('is refused when it holds NUL, and otherwise stays as it is (property)', () => {
    expect(() => render('{a}', 'argv', { a: 'a\0b' })).toThrow(GatehouseError);
    expect(() => render('{a}', 'file_path', { a: 'a\0b' })).toThrow(GatehouseError);
    fc.assert(
      fc.property(text, (value) => {
        fc.pre(!value.includes('\0'));
        expect(render('--x={a}', 'argv', { a: value })).toBe(`--x=${value}`);
      }),
    );
  });
});

describe('an argument in JSON', () => {
  it('stands as JSON, or escaped inside a string (property)', () => {
    fc.assert(
      fc.property(fc.jsonValue(), text, (value, inner) => {
        const template = '{"v": {v}, "s": "<{s}> \\" {s}", "k": [${v}]}';
        const rendered = render(template, 'json', { v: toJson(value), s: inner });
        const parsed: unknown = JSON.parse(rendered ?? '');
        const expected = toJson(value);
        expect(parsed).toEqual({ v: expected, s: `<${inner}> " ${inner}`, k: [expected] });
      }),
    );
  });

  it('takes variables the same way', () => {
    const variables = { API_A: 'a"b' };
    expect(JSON.parse(render('{"x": ${API_A}, "y": "-${API_A}"}', 'json', {}, variables) ?? '')).toEqual({
      x: 'a"b',
      y: '-a"b',
    });
  });

  it.each(['{"a": {a}', '{a} {a}', '{"a": "\\{a}"}', '{"a": "{a}}'])('refuses the template %s at load', (template) => {
    expect(() => compileText(template, options('json', ['a']))).toThrow(LoadError);
  });
});

describe('every context', () => {
  it.each(contexts)('%s gives a string or refuses with a coded error, for any JSON (property)', (context) => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const encoded =
          refusal(() => encodeArgument('a', toJson(value), context)) ?? encodeArgument('a', toJson(value), context);
        expect(typeof encoded === 'string' || encoded instanceof GatehouseError).toBe(true);
      }),
    );
  });
});

// fast-check's own JSON type has mutable arrays and -0, which JSON does not keep.
function toJson(value: unknown): Json {
  const parsed: Json = JSON.parse(JSON.stringify(value));
  return parsed;
}
