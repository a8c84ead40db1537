import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/index.js';
import { describeFeed, type Feed, startFeed } from '../support/feed.js';
import { bearer, keyEntry, startServer, type TestServer } from '../support/server.js';

const callers = [{ id: 'agent', roles: ['agent'], api_keys: { current: keyEntry('k') } }];
const forged = {
  'x-forwarded-for': '203.0.113.9',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-proto': 'gopher',
  'x-forwarded-prefix': '/evil',
  'x-forwarded-port': '1',
  forwarded: 'for=203.0.113.9;host=evil.example;proto=gopher',
  'x-real-ip': '203.0.113.9',
};

let feed: Feed;
let server: TestServer;
let port: number;
beforeAll(async () => {
  feed = await startFeed();
  server = await startServer(
    describeFeed(feed.origin, {
      callers,
      server: { public_url: 'https://tools.example.com/gate/way/', trust_proxy: ['127.0.0.3', '10.0.0.0/8'] },
    }),
  );
  const address = server.server.app.server.address();
  port = typeof address === 'object' && address ? address.port : 0;
});
afterAll(async () => {
  await server?.close();
  await feed?.close();
});

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
  readonly headers: NodeJS.Dict<string | string[]>;
  /** The address in the security log. */
  readonly address: string | undefined;
}

/** Asks from an address of this host's own. */
function ask(path: string, headers: Record<string, string>, from = '127.0.0.1'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers, localAddress: from }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      const id = String(response.headers['x-request-id']);
      await expect.poll(() => server.server.gate.active).toBe(0);
      const address = server.sink.about(id).at(-1)?.address;
      resolve({ status: response.statusCode, text, headers: response.headers, address });
    });
    sent.on('error', reject).end();
  });
}

describe('forwarded headers', () => {
  it('are ignored from anywhere but the trusted networks', async () => {
    const answer = await ask('/utcp', { ...bearer('k'), ...forged });
    expect([answer.status, answer.address]).toEqual([200, '127.0.0.1']);
    expect(answer.text).not.toMatch(/evil|gopher|203\.0/);
  });

  it('name the client when a trusted gateway sends them, and nothing else', async () => {
    const answer = await ask('/utcp', { ...bearer('k'), ...forged }, '127.0.0.3');
    expect([answer.status, answer.address]).toEqual([200, '203.0.113.9']);
    expect(answer.text).not.toMatch(/evil|gopher/);
  });

  it('are read from the gateway’s end: what the client put before it is not believed', async () => {
    const through = { ...bearer('k'), 'x-forwarded-for': '8.8.8.8, 203.0.113.9, 10.1.2.3' };
    expect((await ask('/utcp', through, '127.0.0.3')).address).toBe('203.0.113.9');
  });

  it.each(['evil\u0001', 'unknown', '_hidden', '999.1.1.1', 'a'.repeat(500)])(
    'that hold no address (%s) leave the gateway’s own',
    async (value) => {
      const answer = await ask(
        '/utcp',
        { ...bearer('k'), 'x-forwarded-for': value.replace('\u0001', '') },
        '127.0.0.3',
      );
      expect(answer.address).toBe('127.0.0.3');
    },
  );

  it('count failures against the client that a trusted gateway names, so that one does not lock out the rest', async () => {
    const guess = (client: string) =>
      ask('/utcp', { ...bearer('wrong'), 'x-forwarded-for': client }, '127.0.0.3').then(({ status }) => status);
    for (let tries = 0; tries < 20; tries++) expect(await guess('198.51.100.1')).toBe(401);
    expect(await guess('198.51.100.1')).toBe(429);
    expect(await guess('198.51.100.2')).toBe(401);
  });
});

describe('a public URL with a path', () => {
  const base = 'https://tools.example.com/gate/way';

  it('begins every URL that is published', async () => {
    const { text } = await ask('/utcp', bearer('k'));
    const urls = [...text.matchAll(/"url":"([^"]+)"/g)].map(([, url]) => url ?? '');
    expect(urls.length).toBeGreaterThan(3);
    expect(urls.filter((url) => !url.startsWith(`${base}/tools/feed/`))).toEqual([]);
    const { headers } = await ask('/utcp', {});
    expect(headers['www-authenticate']).toContain(`"${base}/.well-known/oauth-protected-resource"`);
    const document = JSON.parse((await ask('/.well-known/oauth-authorization-server', {})).text);
    expect(document).toMatchObject({ issuer: base, token_endpoint: `${base}/oauth/token` });
    expect(document.jwks_uri).toBe(`${base}/.well-known/jwks.json`);
    expect(JSON.parse((await ask('/.well-known/oauth-protected-resource', {})).text).resource).toBe(base);
  });

  it.each([
    '/utcp',
    '/gate/way/utcp',
    '/gate/way/utcp?limit=5',
    '/gate/way/tools/feed/get_item?id=1',
    '/gate/way/livez',
  ])('is served whether the gateway takes the path off or not: %s', async (path) => {
    expect((await ask(path, bearer('k'))).status).toBe(200);
  });

  it.each([
    '/gate/utcp',
    '/gate/wayutcp',
    '/gate/way/gate/way/utcp',
    '/gate%2fway/utcp',
    '/GATE/way/utcp',
    '/gate/way',
  ])('is nothing else: %s', async (path) => {
    expect((await ask(path, bearer('k'))).status).toBe(404);
  });

  it('has its metadata where RFC 8414 and RFC 9728 put it as well: at the host’s root, with the path behind', async () => {
    for (const name of ['oauth-authorization-server', 'oauth-protected-resource']) {
      expect((await ask(`/.well-known/${name}/gate/way`, {})).status).toBe(200);
      expect((await ask(`/.well-known/${name}/other`, {})).status).toBe(404);
      expect((await ask(`/.well-known/${name}/gate/wayutcp`, {})).status).toBe(404);
    }
    for (const path of [
      '/.well-known/oauth-protected-resource/gate/way/utcp',
      '/gate/way/.well-known/oauth-protected-resource/utcp',
    ]) {
      expect(JSON.parse((await ask(path, {})).text).resource).toBe(`${base}/utcp`);
    }
  });

  it.each([
    ['https://a.example/?x=1', 'query'],
    ['https://a.example/#x', 'fragment'],
    ['https://user:pw@a.example/', 'credentials'],
    ['https://a.example/a%2fb', 'an encoded slash'],
    ['https://a.example/tools', 'a route of our own'],
    ['https://a.example/utcp/x', 'a route of our own'],
    ['ftp://a.example/', 'another scheme'],
  ])('is refused by the load with what no request could be told by: %s (%s)', (public_url) => {
    expect(configSchema.safeParse({ server: { public_url } }).success).toBe(false);
  });
});

describe('trust_proxy', () => {
  it.each(['10.0.0.0/8', '192.168.1.1', '::1', 'fd00::/8', '172.16.0.0/12'])('takes %s', (network) => {
    expect(configSchema.safeParse({ server: { trust_proxy: [network] } }).success).toBe(true);
  });

  it.each(['0.0.0.0/0', '::/0', '10.0.0.0/33', '999.1.1.1', '10.0.0.0/8/8', 'loopback', '10.0.0.0/', 'fd00::/129', ''])(
    'refuses %s, by the load',
    (network) => {
      expect(configSchema.safeParse({ server: { trust_proxy: [network] } }).success).toBe(false);
    },
  );
});
