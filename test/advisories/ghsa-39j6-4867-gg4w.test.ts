import { lookup } from 'node:dns';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { LoadError } from '../../src/core/index.js';
import { call, failure, prepare } from '../support/http-call.js';
import { startUpstream } from '../support/upstream.js';

// DNS itself is the attacker's part here: this host answers with the next of these addresses each time it is asked.
const answers = vi.hoisted((): string[] => []);
vi.mock('node:dns', async (original) => {
  const real = await original<typeof import('node:dns')>();
  const played = (host: string, options: object, callback: (error: null, addresses: object[]) => void) => {
    if (host === 'rebind.example') callback(null, [{ address: answers.shift() ?? '127.0.0.1', family: 4 }]);
    else Reflect.apply(real.lookup, undefined, [host, options, callback]);
  };
  return { ...real, lookup: played };
});
afterEach(() => {
  answers.length = 0;
});

describe('CVE-2026-44661 / GHSA-39j6-4867-gg4w: a URL checked at discovery and not at the call', () => {
  it('a host that is public when the tool is loaded and private when it is called is never connected to', async () => {
    const internal = await startUpstream((_request, response) => response.end('secret'));
    answers.push('93.184.216.34');
    const discovered = await new Promise((done) => lookup('rebind.example', {}, (_error, found) => done(found)));
    expect(discovered).toMatchObject([{ address: '93.184.216.34' }]);
    answers.push('127.0.0.1');
    const prepared = prepare({ url: `https://rebind.example:${internal.port}/` });
    expect(await failure(prepared)).toMatchObject({ code: 'upstream_failed', reason: 'address_private' });
    expect(internal.connections.made).toBe(0);
  });

  it.each(['169.254.169.254', '10.0.0.1', '0.0.0.0', '100.64.0.1'])(
    'neither is one that answers %s',
    async (address) => {
      answers.push(address);
      expect(await failure(prepare({ url: 'https://rebind.example/' })).then((error) => error.reason)).toMatch(
        /^address_/,
      );
    },
  );

  it('no argument chooses scheme, host or port, so what was checked is what is called', () => {
    for (const url of [
      '{u}',
      '{u}://example.com/',
      'https://{u}/',
      'https://example.com:{u}/',
      'https://{u}@example.com/',
    ]) {
      expect(() => prepare({ url }, ['u']), url).toThrow(LoadError);
    }
  });

  it('no argument moves the end of the host, the path or the query', async () => {
    const internal = await startUpstream((_request, response) => response.end('secret'));
    const upstream = await startUpstream((request, response) => response.end(request.url));
    const prepared = prepare({ url: `${upstream.origin}/a/{u}?q={v}` }, ['u', 'v']);
    for (const u of [
      `@127.0.0.1:${internal.port}/`,
      '\\\\evil',
      `//127.0.0.1:${internal.port}`,
      '..%2f..',
      '#',
      '?x=',
    ]) {
      expect(await call(prepared, { u, v: '&admin=1#' })).toBe(`/a/${encodeURIComponent(u)}?q=%26admin%3D1%23`);
    }
    expect(internal.connections.made).toBe(0);
  });
});
