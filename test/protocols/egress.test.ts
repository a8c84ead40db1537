import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import fc from 'fast-check';
import { Pool } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { GatehouseError, LoadError } from '../../src/core/index.js';
import { bindUpstream, checkUrl, checkUrlAtLoad, EgressPolicy, judgeUrl } from '../../src/protocols/egress.js';
import { classifyAddress } from '../../src/protocols/egress-address.js';
import {
  createGuardedConnector,
  createGuardedFetch,
  guardedLookup,
  type ResolveAll,
} from '../../src/protocols/egress-connection.js';
import { createTlsProfile } from '../../src/protocols/tls.js';
import { makeBinding } from '../support/binding.js';

const nobody = new EgressPolicy([]);
const place = { file: 'manual.yaml', pointer: '/tools/0/tool_call_template/url' };

function judge(text: string, hosts: readonly string[] = [], kind: 'http' | 'ws' = 'http'): string | undefined {
  return judgeUrl(new URL(text), new EgressPolicy(hosts), kind);
}

describe('the address classes', () => {
  it.each([
    ...['127.0.0.1', '127.255.255.254', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1'],
    ...['::1', 'fc00::1', 'fdff::1'],
  ])('%s is private', (address) => {
    expect(classifyAddress(address)).toBe('private');
  });

  it.each([
    ...['0.0.0.0', '0.1.2.3', '169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', '224.0.0.1'],
    ...['239.255.255.255', '240.0.0.1', '255.255.255.255', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.1'],
    ...['::', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:7f00:1', '64:ff9b::7f00:1', '64:ff9b:1::1', 'fe80::1'],
    ...['fe80::1%eth0', 'fec0::1', 'ff02::1', '2001::1', '2001:db8::1', '2002:7f00:1::', '3fff::1', 'fd00:ec2::254'],
    ...['::127.0.0.1', '100::1', '5f00::1', 'not an address', ''],
  ])('%s is special', (address) => {
    expect(classifyAddress(address)).toBe('special');
  });

  it.each(['8.8.8.8', '172.15.255.255', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450::1'])(
    '%s is public',
    (address) => {
      expect(classifyAddress(address)).toBe('public');
    },
  );

  it('no IPv4 address becomes public by being written inside an IPv6 one', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.constantFrom('::ffff:', '::', '64:ff9b::', '::ffff:0:'), (address, prefix) => {
        expect(classifyAddress(`${prefix}${address}`)).not.toBe('public');
      }),
    );
  });
});

describe('checkUrl', () => {
  it.each([
    ['http://127.0.0.1/', 'address_private'],
    ['https://127.1/', 'address_private'],
    ['https://2130706433/', 'address_private'],
    ['https://0x7f000001/', 'address_private'],
    ['https://0177.0.0.1/', 'address_private'],
    ['https://127.0.0.1./', 'address_private'],
    ['https://①②⑦.⓪.⓪.①/', 'address_private'],
    ['https://localhost/', 'address_private'],
    ['https://LOCALHOST./', 'address_private'],
    ['https://api.localhost/', 'address_private'],
    ['https://[::1]/', 'address_private'],
    ['https://[fd00::1]/', 'address_private'],
    ['https://0/', 'address_special'],
    ['https://[::]/', 'address_special'],
    ['https://[::ffff:127.0.0.1]/', 'address_special'],
    ['https://[::ffff:a9fe:a9fe]/', 'address_special'],
    ['https://[64:ff9b::a9fe:a9fe]/', 'address_special'],
    ['https://[fe80::1]/', 'address_special'],
    ['https://169.254.169.254/latest/meta-data/', 'address_special'],
    ['https://0xa9fea9fe/', 'address_special'],
    ['http://example.com/', 'url_plain_text'],
    ['https://user:pass@example.com/', 'url_userinfo'],
    ['https://user@example.com/', 'url_userinfo'],
    ['ftp://example.com/', 'url_scheme'],
    ['file:///etc/passwd', 'url_scheme'],
    ['javascript:alert(1)', 'url_scheme'],
    ['wss://example.com/', 'url_scheme'],
  ])('refuses %s as %s', (url, problem) => {
    expect(judge(url)).toBe(problem);
  });

  it('refuses an inner address however it is spelt (property)', () => {
    const inner = fc.oneof(
      fc.tuple(fc.constantFrom(10, 127, 0, 224, 255), fc.nat(0xffffff)).map(([net, rest]) => net * 2 ** 24 + rest),
      fc.tuple(fc.constantFrom(0xc0a8, 0xa9fe, 0xac10), fc.nat(0xffff)).map(([net, rest]) => net * 2 ** 16 + rest),
    );
    const spellings: readonly ((address: number) => string)[] = [
      (address) => String(address),
      (address) => `0x${address.toString(16)}`,
      (address) => `0${address.toString(8)}`,
      (address) => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.'),
      (address) => [24, 16, 8, 0].map((shift) => `0x${((address >>> shift) & 255).toString(16)}`).join('.'),
      (address) => `${address >>> 24}.${address & 0xffffff}`,
      (address) => `${address >>> 24}.${(address >>> 16) & 255}.${address & 0xffff}.`,
      (address) => `[::ffff:${(address >>> 16).toString(16)}:${(address & 0xffff).toString(16)}]`,
      (address) => `[64:ff9b::${(address >>> 16).toString(16)}:${(address & 0xffff).toString(16)}]`,
    ];
    fc.assert(
      fc.property(inner, fc.constantFrom(...spellings), (address, spell) => {
        expect(judge(`https://${spell(address)}/`)).toMatch(/^address_/);
      }),
    );
  });

  it.each(['https://example.com/', 'https://8.8.8.8/', 'https://[2606:4700::1]/', 'https://localhost.example.com/'])(
    'passes %s',
    (url) => {
      expect(judge(url)).toBeUndefined();
    },
  );

  it('compares hosts whole: neither a prefix, a suffix nor user info makes a named host', () => {
    for (const url of [
      'http://localhost.evil.com/',
      'http://evil-localhost/',
      'http://localhost@evil.com/',
      'http://evil.com#localhost',
      'http://127.0.0.1.evil.com/',
      'http://evil.com/localhost',
    ]) {
      expect(judge(url, ['localhost', '127.0.0.1']), url).toMatch(/^url_(plain_text|userinfo)$/);
    }
  });

  it('passes plain http and private addresses for the hosts that the configuration names, and no other', () => {
    expect(judge('http://127.0.0.1:8080/', ['127.0.0.1'])).toBeUndefined();
    expect(judge('http://[::1]:8080/', ['::1'])).toBeUndefined();
    expect(judge('http://[::1]:8080/', ['[::1]'])).toBeUndefined();
    expect(judge('http://api.internal/', ['API.internal'])).toBeUndefined();
    expect(judge('http://127.0.0.2/', ['127.0.0.1'])).toBe('address_private');
    expect(judge('https://169.254.169.254/', ['169.254.169.254'])).toBeUndefined();
  });

  it('speaks wss, and ws only to hosts that the configuration names', () => {
    expect(judge('wss://example.com/', [], 'ws')).toBeUndefined();
    expect(judge('ws://example.com/', [], 'ws')).toBe('url_plain_text');
    expect(judge('ws://127.0.0.1/', ['127.0.0.1'], 'ws')).toBeUndefined();
    expect(judge('https://example.com/', [], 'ws')).toBe('url_scheme');
  });

  it('throws a coded error that holds nothing of the URL', () => {
    const error = catchError(() => checkUrl(new URL('https://10.11.12.13/canary'), nobody));
    expect(error).toBeInstanceOf(GatehouseError);
    expect(error).toMatchObject({ code: 'upstream_failed', reason: 'address_private' });
    expect(String(error)).not.toMatch(/canary|10\.11/);
  });

  it('gives a finding with place and mend at load', () => {
    const error = catchError(() => checkUrlAtLoad('http://example.com/', nobody, place));
    expect(error).toBeInstanceOf(LoadError);
    expect(error).toMatchObject({ findings: [{ ...place, severity: 'error', rule: 'egress-refused' }] });
    expect(() => checkUrlAtLoad('no url', nobody, place)).toThrow(/cannot be parsed/);
  });

  it.each(['*', '*.internal', '10.0.0.0/8', 'localhost:80', 'http://localhost', 'a b', '', 'user@host', '[::1]:80'])(
    'refuses %j in allow_private_hosts',
    (host) => {
      expect(() => new EgressPolicy([host])).toThrow(LoadError);
    },
  );
});

describe('the guarded lookup', () => {
  function look(policy: EgressPolicy, resolve: ResolveAll, all = false): Promise<unknown> {
    return new Promise((settle) => {
      guardedLookup(policy, resolve)('upstream.example', { all }, (error, address) => settle(error ?? address));
    });
  }
  const answer =
    (...addresses: readonly string[]): ResolveAll =>
    (_name, _options, callback) =>
      callback(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );

  it('hands out the checked addresses', async () => {
    expect(await look(nobody, answer('93.184.216.34'))).toBe('93.184.216.34');
    expect(await look(nobody, answer('93.184.216.34', '2606:4700::1'), true)).toHaveLength(2);
  });

  it('refuses a name when any of its addresses is private', async () => {
    expect(await look(nobody, answer('93.184.216.34', '10.0.0.1'), true)).toMatchObject({ reason: 'address_private' });
    expect(await look(nobody, answer('::ffff:127.0.0.1'))).toMatchObject({ reason: 'address_special' });
  });

  it('lets a named host stand on private addresses, never on metadata ones', async () => {
    const named = new EgressPolicy(['upstream.example']);
    expect(await look(named, answer('10.0.0.1'))).toBe('10.0.0.1');
    expect(await look(named, answer('169.254.169.254'))).toMatchObject({ reason: 'address_special' });
  });

  it('passes a failure to resolve on', async () => {
    const failing: ResolveAll = (_name, _options, callback) => callback(new Error('ENOTFOUND'), []);
    expect(await look(nobody, failing)).toMatchObject({ message: 'ENOTFOUND' });
  });
});

describe('guarded connections', () => {
  const closers: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  async function serve(): Promise<{ port: number; count(): number }> {
    let connections = 0;
    const server = createServer((request, response) => {
      if (request.url === '/redirect') response.writeHead(302, { location: 'http://127.0.0.1/' });
      response.end('ok');
    });
    server.on('connection', () => connections++);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    closers.push(() => new Promise((done) => server.close(done)));
    return { port: portOf(server.address()), count: () => connections };
  }

  it('never connects when a name is rebound to a private address between the check and the connection', async () => {
    const upstream = await serve();
    const answers = ['93.184.216.34', '127.0.0.1'];
    const rebinding: ResolveAll = (_name, _options, callback) =>
      callback(null, [{ address: answers.shift() ?? '127.0.0.1', family: 4 }]);
    await new Promise<void>((done) =>
      guardedLookup(nobody, rebinding)('rebind.example', {}, (error) => {
        expect(error).toBeNull();
        done();
      }),
    );
    const url = `http://rebind.example:${upstream.port}`;
    const connector = createGuardedConnector({ policy: nobody, tls: createTlsProfile({}, '.'), resolve: rebinding });
    const pool = new Pool(url, { connect: connector });
    closers.push(() => pool.destroy());
    await expect(pool.request({ path: '/', method: 'GET' })).rejects.toMatchObject({ reason: 'address_private' });
    expect(upstream.count()).toBe(0);
  });

  it('refuses an address literal at connect, which no lookup ever sees', async () => {
    const upstream = await serve();
    const connector = createGuardedConnector({ policy: nobody, tls: createTlsProfile({}, '.') });
    const pool = new Pool(`http://127.0.0.1:${upstream.port}`, { connect: connector });
    closers.push(() => pool.destroy());
    await expect(pool.request({ path: '/', method: 'GET' })).rejects.toMatchObject({ reason: 'address_private' });
    expect(upstream.count()).toBe(0);
  });

  it('connects to the address that was checked', async () => {
    const upstream = await serve();
    const asked: string[] = [];
    const resolve: ResolveAll = (name, _options, callback) => {
      asked.push(name);
      callback(null, [{ address: '127.0.0.1', family: 4 }]);
    };
    const lookup = guardedLookup(new EgressPolicy(['named.example']), resolve);
    const socket = connect({ host: 'named.example', port: upstream.port, lookup });
    await new Promise((done) => socket.once('connect', done));
    expect(socket.remoteAddress).toBe('127.0.0.1');
    expect(asked).toEqual(['named.example']);
    socket.destroy();
  });

  it('fetches through the guard, and fails on a redirect instead of following it (GHSA-9qhg-99ww-9mqc)', async () => {
    const upstream = await serve();
    const policy = new EgressPolicy(['127.0.0.1']);
    const guarded = createGuardedFetch({ policy, tls: createTlsProfile({}, '.') });
    closers.push(() => guarded.close());
    const origin = `http://127.0.0.1:${upstream.port}`;
    const response = await guarded.fetch(origin, { method: 'POST', body: 'x', headers: { a: 'b' } });
    expect(await response.text()).toBe('ok');
    await expect(guarded.fetch(`${origin}/redirect`)).rejects.toThrow();
    await expect(guarded.fetch('https://10.0.0.1/')).rejects.toMatchObject({ reason: 'address_private' });
  });
});

describe('bindUpstream', () => {
  it('says once for a manual which private host is allowed', () => {
    const binding = makeBinding();
    const template = { kind: 'http', verify_ssl: true, pointer: place.pointer } as const;
    bindUpstream('http://127.0.0.1:1/a', template, binding);
    bindUpstream('http://127.0.0.1:1/b', template, binding);
    expect(binding.notices).toMatchObject([{ rule: 'private-host-allowed', severity: 'info', pointer: place.pointer }]);
    expect(binding.notices[0]?.message).toContain('127.0.0.1');
  });

  it('says nothing for a public host', () => {
    const binding = makeBinding();
    bindUpstream('https://example.com/', { kind: 'http', verify_ssl: true, pointer: '' }, binding);
    expect(binding.notices).toEqual([]);
  });
});

function catchError(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('not listening on a port');
  return address.port;
}
