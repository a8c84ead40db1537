import { describe, expect, it } from 'vitest';
import { maxCredentialLength, readCredential } from '../../src/auth/bearer.js';

const read = (...headers: readonly string[]) => {
  const { transport, token } = readCredential(headers, '127.0.0.1');
  return { transport, token };
};
const malformed = { transport: 'malformed', token: undefined };

describe('reading a credential', () => {
  it('takes a bearer token whatever the case of header and scheme', () => {
    expect(read('Host', 'x', 'Authorization', 'Bearer abc.def-_~+/==')).toEqual({
      transport: 'bearer',
      token: 'abc.def-_~+/==',
    });
    expect(read('AUTHORIZATION', 'bearer   abc')).toEqual({ transport: 'bearer', token: 'abc' });
  });

  it('takes an API key from X-API-Key', () => {
    expect(read('x-api-key', 'k!ey')).toEqual({ transport: 'x_api_key', token: 'k!ey' });
  });

  it('says that none came', () => {
    expect(read('Host', 'x')).toEqual({ transport: 'none', token: undefined });
  });

  it.each([
    [
      'two Authorization headers, the second of which Node would hide',
      ['Authorization', 'Bearer a', 'authorization', 'Bearer b'],
    ],
    ['two X-API-Key headers', ['X-API-Key', 'a', 'x-api-key', 'b']],
    ['both kinds at once (RFC 6750 section 2)', ['X-API-Key', 'a', 'Authorization', 'Bearer a']],
    ['another scheme', ['Authorization', 'Basic YTpi']],
    ['a token without its scheme', ['Authorization', 'abc']],
    ['two tokens', ['Authorization', 'Bearer a b']],
    ['two tokens with a comma', ['Authorization', 'Bearer a,b']],
    ['an empty token', ['Authorization', 'Bearer ']],
    ['a character outside b64token', ['Authorization', 'Bearer "a"']],
    ['padding in the middle', ['Authorization', 'Bearer a=b']],
    ['an empty key', ['X-API-Key', '']],
    ['a key with a blank', ['X-API-Key', 'a b']],
    ['a key outside ASCII', ['X-API-Key', 'clé']],
    ['a token over 16 KiB', ['Authorization', `Bearer ${'a'.repeat(maxCredentialLength)}`]],
    ['a key over 16 KiB', ['X-API-Key', 'a'.repeat(maxCredentialLength + 1)]],
  ])('refuses %s', (_name, headers) => {
    expect(read(...headers)).toEqual(malformed);
  });
});
