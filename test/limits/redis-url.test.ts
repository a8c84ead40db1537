import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../src/limits/redis-url.js';

describe('the URL of Redis', () => {
  it.each([
    ['redis://127.0.0.1', { kind: 'single', hosts: [{ host: '127.0.0.1', port: 6379 }], tls: false, db: 0 }],
    ['rediss://cache.example:6380/3', { hosts: [{ host: 'cache.example', port: 6380 }], tls: true, db: 3 }],
    [
      'redis://user:p%40ss:word@[::1]:7000',
      { hosts: [{ host: '::1', port: 7000 }], username: 'user', password: 'p@ss:word' },
    ],
    ['redis://:secret@a', { username: undefined, password: 'secret' }],
    [
      'redis+sentinel://a,b:5/main/1',
      {
        kind: 'sentinel',
        hosts: [
          { host: 'a', port: 26_379 },
          { host: 'b', port: 5 },
        ],
        master: 'main',
        db: 1,
      },
    ],
    [
      'rediss+cluster://a:1,b:2',
      {
        kind: 'cluster',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        tls: true,
      },
    ],
  ])('reads %s', (url, address) => {
    expect(parseRedisUrl(url)).toMatchObject(address);
  });

  it.each([
    '',
    'http://a',
    'redis://',
    'redis://a,b',
    'redis://a/x',
    'redis://a:99999',
    'redis+sentinel://a',
    'redis+cluster://a/1',
    'redis://a/1/2',
    'redis://%zz:canary@a',
  ])('refuses %j without quoting it, since it may hold a password', (url) => {
    expect(() => parseRedisUrl(url)).toThrow(/no known form/);
    expect(() => parseRedisUrl(url)).not.toThrow(/canary/);
  });
});
