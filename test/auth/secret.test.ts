import { describe, expect, it } from 'vitest';
import { checkSecretForm, createSecret } from '../../src/auth/secret.js';

describe('a secret', () => {
  it('has a recognisable form, 238 random bits, and can be sent as a bearer token', () => {
    const secrets = Array.from({ length: 200 }, createSecret);
    expect(new Set(secrets).size).toBe(200);
    for (const secret of secrets) {
      expect(secret).toMatch(/^gh_[0-9A-Za-z]{40}_[0-9A-Za-z]{6}$/);
      expect(checkSecretForm(secret)).toBe(true);
    }
  });

  it('is told by its checksum from text that only looks like one', () => {
    const secret = createSecret();
    for (let index = 3; index < 43; index++) {
      const other = secret[index] === 'a' ? 'b' : 'a';
      expect(checkSecretForm(secret.slice(0, index) + other + secret.slice(index + 1))).toBe(false);
    }
    expect(checkSecretForm(`${secret} `)).toBe(false);
    expect(checkSecretForm('gh_short')).toBe(false);
  });
});
