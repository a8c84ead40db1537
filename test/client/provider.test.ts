import { describe, expect, it } from 'vitest';
import { isAtProvider, leavesTls, locateProvider } from '../../src/client/provider.js';
import { GivenVariables } from '../../src/client/variables.js';

describe('a provider', () => {
  it('has its token endpoint and keys beside its manual, prefixes of a gateway included', () => {
    const provider = locateProvider({ url: 'https://example.com/gate/utcp/my_books?x=1#y' });
    expect(provider).toMatchObject({ id: 'https://example.com/gate/utcp/my_books', namespace: 'my__books' });
    expect(provider.tokenUrl.href).toBe('https://example.com/gate/oauth/token');
    expect(provider.keysUrl.href).toBe('https://example.com/gate/.well-known/jwks.json');
    expect(locateProvider({ url: 'https://example.com/books.json' }).keysUrl.href).toBe(
      'https://example.com/.well-known/jwks.json',
    );
  });
});

describe('the credential stays at the provider', () => {
  const provider = locateProvider({ url: 'https://example.com/utcp' });

  it.each(['https://example.com/tools/a/b', 'https://EXAMPLE.com:443/x/{id}', 'https://example.com?x={y}'])(
    '%s is there',
    (url) => {
      expect(isAtProvider(provider, url)).toBe(true);
    },
  );

  it.each([
    'https://example.com.evil.org/x',
    'https://evil.org/https://example.com/',
    'https://example.com@evil.org/x',
    'https://example.com\\@evil.org/x',
    'https://example.com:8443/x',
    'http://example.com/x',
    'https://${HOST}/x',
    'https://example.com{x}/y',
    'https://{x}example.com/y',
    '//example.com/x',
    '/x',
    42,
    undefined,
  ])('%s is not', (url) => {
    expect(isAtProvider(provider, url)).toBe(false);
  });
});

describe('plain text', () => {
  const at = (url: string, template: string) => leavesTls(locateProvider({ url }), template);

  it('is not sent to the host of an https provider, although that host may be private', () => {
    expect(at('https://10.0.0.5/utcp', 'http://10.0.0.5/x')).toBe(true);
    expect(at('https://tools.internal/utcp', 'ws://TOOLS.internal:81/{x}')).toBe(true);
    expect(at('https://tools.internal/utcp', 'https://tools.internal:81/x')).toBe(false);
    expect(at('https://localhost/utcp', 'http://localhost:8080/x')).toBe(false);
  });
});

describe('variables', () => {
  it('are found by the namespaced name of official clients, then by the plain one', () => {
    const variables = new GivenVariables({ my__books_TOKEN: 'a', TOKEN: 'b', OTHER: 'c' }, 'my__books');
    expect(variables.load('TOKEN')).toBe('a');
    expect(variables.load('OTHER')).toBe('c');
  });

  it('are those given and no others: a manual cannot name what the environment holds', () => {
    const variables = new GivenVariables({}, 'm');
    expect(process.env.PATH).toBeDefined();
    expect(variables.has('PATH')).toBe(false);
    expect(() => variables.load('PATH')).toThrowError('Variable m_PATH is not set.');
    expect(() => variables.load('constructor')).toThrowError('is not set');
  });

  it('longer than the limit are refused by name, not by value', () => {
    const variables = new GivenVariables({ A: 'S3CRET'.repeat(2000) }, '');
    expect(() => variables.load('A')).toThrowError(/^(?!.*S3CRET).*longer than/);
  });
});
