import { describe, expect, it } from 'vitest';
import { EgressPolicy, judgeUrl } from '../../src/protocols/egress.js';
import { prepare } from '../support/http-call.js';

describe('GHSA-ppx3-28rw-8fpf: a host that passed a prefix check', () => {
  const policy = new EgressPolicy(['localhost', '127.0.0.1', '::1']);

  it.each([
    'ws://localhost.evil.com/',
    'ws://localhost@evil.com/',
    'ws://localhost:80@evil.com/',
    'ws://127.0.0.1.evil.com/',
    'ws://127.0.0.1@evil.com/',
    'ws://evil.com/localhost',
    'ws://evil.com?localhost',
    'ws://evil.com#localhost',
    'ws://evil.com\\localhost',
    'ws://localhostevil.com/',
    'ws://localhost%2eevil.com/',
  ])('%s is not loopback: plain text is refused', (url) => {
    expect(judgeUrl(new URL(url), policy, 'ws')).toMatch(/^url_(plain_text|userinfo)$/);
    expect(judgeUrl(new URL(url.replace('ws:', 'http:')), policy, 'http')).toMatch(/^url_(plain_text|userinfo)$/);
  });

  it.each(['ws://localhost/', 'ws://LOCALHOST:8080/x', 'ws://127.1/', 'ws://[::1]/', 'ws://[0:0:0:0:0:0:0:1]/'])(
    '%s is the named host itself, however it is written',
    (url) => {
      expect(judgeUrl(new URL(url), policy, 'ws')).toBeUndefined();
    },
  );

  it.each(['localhost.evil.com', 'evil.com', '10.0.0.1'])(
    'a websocket template may not speak plain text to %s, even where the configuration names it',
    (host) => {
      const template = { call_template_type: 'websocket', url: `ws://${host}/` };
      expect(() => prepare(template, [], { settings: { allow_private_hosts: [host] } })).toThrowError(/plain text/);
    },
  );
});
