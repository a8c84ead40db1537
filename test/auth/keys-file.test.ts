import { describe, expect, it } from 'vitest';
import { listKeys, parseKeysFile } from '../../src/auth/keys-file.js';
import { LoadError } from '../../src/core/index.js';

const digest = 'ab'.repeat(32);
const good = `callers:
  alice:
    api_keys:
      current: { sha256: ${digest}, expires_at: 2030-01-01T00:00:00Z }
revoked:
  keys: []
  callers: [mallory]
  jtis: []
...
`;
const findingsOf = (text: string) => {
  try {
    parseKeysFile(text, 'keys.yaml');
    return [];
  } catch (error) {
    if (error instanceof LoadError) return error.findings;
    throw error;
  }
};

describe('reading a keys file', () => {
  it('gives keys by caller', () => {
    expect(listKeys(parseKeysFile(good, 'keys.yaml')).get('alice')).toMatchObject([{ sha256: digest }]);
  });

  it('takes one that holds nothing yet', () => {
    expect(findingsOf('# nothing\n...\n')).toEqual([]);
  });

  it('refuses one that is cut at any place, so that no revocation is lost by it', () => {
    for (let length = 0; length < good.length - 2; length++) {
      expect(findingsOf(good.slice(0, length)), `cut at ${length}`).not.toEqual([]);
    }
  });

  it.each<[string, string, { line?: number; pointer?: string }]>([
    ['a short digest', good.replace(digest, 'abcd'), { line: 4, pointer: '/callers/alice/api_keys/current/sha256' }],
    ['a date of another form', good.replace('2030-01-01T00:00:00Z', 'tomorrow'), { line: 4 }],
    ['an unknown member', good.replace('jtis:', 'tokens:'), { pointer: '/revoked' }],
    ['a caller named twice', good.replace('revoked:', '  alice: {}\nrevoked:'), { line: 5 }],
    ['text that is no YAML', 'callers: {\n...\n', {}],
    ['a list', '- a\n...\n', { pointer: '' }],
    ['an alias', 'callers: { a: &k { api_keys: {} }, b: *k }\n...\n', {}],
    ['two documents', `${good}---\n${good}`, {}],
  ])('refuses %s, by line and pointer', (_name, text, place) => {
    expect(findingsOf(text)[0]).toMatchObject({ file: 'keys.yaml', severity: 'error', ...place });
  });
});
