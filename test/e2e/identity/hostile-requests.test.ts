import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEchoProtocols } from '../../support/echo.js';
import { sendRaw } from '../../support/raw-request.js';
import { keyEntry, startServer, type TestServer } from '../../support/server.js';

const key = 'alice-key';
let server: TestServer;

beforeAll(async () => {
  server = await startServer({
    config: {
      server: { trust_proxy: ['127.0.0.1'] },
      manuals: [{ name: 'm', source: 'm.yaml' }],
      policy: {
        roles: {
          user: { discover: ['*'], call: ['*'] },
          office: { discover: ['*'], when: 'in_network(address, "192.0.2.0/24")' },
        },
      },
      callers: [
        { id: 'alice', roles: ['user'], api_keys: { current: keyEntry(key) } },
        { id: 'clerk', roles: ['office'], api_keys: { current: keyEntry('clerk-key') } },
        { id: 'worker', roles: ['user'], certificate: { san: 'DNS:worker.example' } },
      ],
      limits: { per_caller: {}, auth_failures_per_address: { per_minute: 5 } },
    },
    files: {
      'm.yaml': {
        utcp_version: '1.1.0',
        manual_version: '1.0.0',
        tools: [
          {
            name: 'say',
            description: 'Says it back.',
            inputs: { type: 'object' },
            tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/' },
          },
        ],
      },
    },
    dependencies: { protocols: createEchoProtocols(), report: () => undefined },
  });
});
afterAll(() => server.close());

let lastAddress = 0;
async function ask(headers: readonly string[], path = '/utcp') {
  const address = `X-Forwarded-For: 198.51.100.${++lastAddress}`;
  const { status, id, text } = await sendRaw(server.url, { path, headers: [...headers, address] });
  const [event] = server.sink.about(id ?? null);
  return { status, reason: event?.reason, text };
}

describe('a credential', () => {
  it.each<[string, string[]]>([
    ['Bearer in small letters', [`authorization: bearer ${key}`]],
    ['BEARER in capitals', [`AUTHORIZATION: BEARER ${key}`]],
    ['more than one blank', [`Authorization: Bearer   ${key}`]],
    ['blanks around it', [`X-API-Key:    ${key}   `]],
  ])('is taken however HTTP lets it be written: %s', async (_name, headers) => {
    expect((await ask(headers)).status).toBe(200);
  });

  it.each<[string, string[]]>([
    ['two good ones', [`Authorization: Bearer ${key}`, `Authorization: Bearer ${key}`]],
    ['a good one ahead of a bad one', [`Authorization: Bearer ${key}`, 'Authorization: Bearer x']],
    ['a bad one ahead of a good one', ['Authorization: Bearer x', `Authorization: Bearer ${key}`]],
    ['both kinds', [`Authorization: Bearer ${key}`, `X-API-Key: ${key}`]],
    ['both kinds, one of them empty', ['Authorization:', `X-API-Key: ${key}`]],
    ['two keys', [`X-API-Key: ${key}`, `x-api-key: ${key}`]],
    ['a list', [`Authorization: Bearer ${key}, Bearer x`]],
    ['a list of keys', [`X-API-Key: ${key}, x`]],
    ['a tab for the blank', [`Authorization: Bearer\t${key}`]],
    ['a word behind it', [`Authorization: Bearer ${key} x`]],
    ['quotes', [`Authorization: Bearer "${key}"`]],
    ['no scheme', [`Authorization: ${key}`]],
    ['another scheme', [`Authorization: Basic ${Buffer.from(`alice:${key}`).toString('base64')}`]],
    ['the scheme alone', ['Authorization: Bearer']],
    ['letters beyond ASCII', ['Authorization: Bearer ålice-key']],
    ['an empty key', ['X-API-Key:']],
  ])('that has no single meaning is none: %s', async (_name, headers) => {
    expect(await ask(headers)).toMatchObject({ status: 401, reason: 'malformed_credential' });
  });

  it.each<[string, string[], string?]>([
    ['the query (RFC 6750 section 2.3)', [], `/utcp?access_token=${key}&api_key=${key}&X-API-Key=${key}`],
    ['a cookie', [`Cookie: authorization=Bearer%20${key}; x-api-key=${key}`]],
    ['another header', [`X_API_Key: ${key}`, `Proxy-Authorization: Bearer ${key}`, `Api-Key: ${key}`]],
    ['a user that a proxy would name', ['X-Forwarded-User: alice', 'X-Remote-User: alice', 'Remote-User: alice']],
    [
      'a certificate that a proxy would pass on, the proxy being trusted for addresses alone',
      [
        'X-Forwarded-Client-Cert: DNS=worker.example;Hash=0',
        'Client-Cert: :MIIB:',
        'X-SSL-Client-Verify: SUCCESS',
        'X-SSL-Client-S-DN: CN=worker.example',
      ],
    ],
  ])('is looked for in no other place: %s', async (_name, headers, path) => {
    expect(await ask(headers, path)).toMatchObject({ status: 401, reason: 'missing_credential' });
  });

  it('never reaches the log, good, bad or in the wrong place', () => {
    expect(server.sink.events.length).toBeGreaterThan(20);
    expect(JSON.stringify(server.sink.events)).not.toContain(key);
  });
});

describe('a request that expects what nobody knows', () => {
  it('passes every stage as any other, and leaves its event', async () => {
    expect((await ask(['Expect: the-unexpected', `X-API-Key: ${key}`])).status).toBe(200);
    expect(await ask(['Expect: the-unexpected', 'X-API-Key: wrong'])).toMatchObject({
      status: 401,
      reason: 'unknown_key',
    });
  });
});

describe('a request that two parsers could read differently', () => {
  it.each<[string, string[]]>([
    ['two lengths', [`X-API-Key: ${key}`, 'Content-Length: 0', 'Content-Length: 5']],
    ['a length and chunks', [`X-API-Key: ${key}`, 'Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['a folded header', [`X-API-Key: x\r\n ${key}`]],
    ['a blank ahead of the colon', [`X-API-Key : ${key}`]],
    ['a NUL in a header', [`X-API-Key: ${key}\0`]],
    ['a bare line feed', [`X-Other: a\nX-API-Key: ${key}`]],
    ['headers beyond all measure', [`X-API-Key: ${key}`, `X-Other: ${'x'.repeat(20_000)}`]],
  ])('is refused before anything of it is believed: %s', async (_name, headers) => {
    const { status, text } = await ask(headers);
    expect([400, 431]).toContain(status);
    expect(text).not.toContain('utcp_version');
  });
});

describe('a caller’s address', () => {
  const clerk = 'X-API-Key: clerk-key';
  const toolsAt = async (forwarded: readonly string[]) => {
    const { text } = await sendRaw(server.url, { path: '/utcp', headers: [clerk, ...forwarded] });
    return text.includes('"name":"say"') ? 'shown' : 'hidden';
  };

  it('is the one that the trusted proxy saw, whatever the sender put ahead of it', async () => {
    expect(await toolsAt(['X-Forwarded-For: 192.0.2.7'])).toBe('shown');
    expect(await toolsAt(['X-Forwarded-For: 198.51.100.7, 192.0.2.7'])).toBe('shown');
    expect(await toolsAt(['X-Forwarded-For: 192.0.2.7, 198.51.100.7'])).toBe('hidden');
    expect(await toolsAt(['X-Forwarded-For: 192.0.2.7', 'X-Forwarded-For: 198.51.100.7'])).toBe('hidden');
    expect(await toolsAt(['Forwarded: for=192.0.2.7', 'X-Real-IP: 192.0.2.7'])).toBe('hidden');
  });

  it('opens no condition when it is no address', async () => {
    for (const forwarded of ['', 'unknown', '192.0.2.7:443', '192.0.2.7\t', '0xC0.0.2.7', '192.0.2.300', '::ffff:1']) {
      expect([forwarded, await toolsAt([`X-Forwarded-For: 198.51.100.1, ${forwarded}`])]).toEqual([
        forwarded,
        forwarded.trim() === '192.0.2.7' ? 'shown' : 'hidden',
      ]);
    }
  });

  it('cannot be changed to guess on: the budget is of the address that the proxy saw', async () => {
    const guess = async (index: number) => {
      const headers = [`X-API-Key: guess-${index}`, `X-Forwarded-For: 203.0.113.${index}, 198.18.0.1`];
      return (await sendRaw(server.url, { path: '/utcp', headers })).status;
    };
    const statuses: number[] = [];
    for (let index = 0; index < 7; index++) statuses.push(await guess(index));
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
  });
});

describe('what an answer says of the server', () => {
  it('is never taken from the request: no header moves the metadata, the issuer or a published URL', async () => {
    const forged = [
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: gopher',
      'X-Original-URL: /utcp/evil.example',
      'Forwarded: host=evil.example',
    ];
    for (const path of [
      '/utcp',
      '/.well-known/oauth-protected-resource',
      '/.well-known/oauth-authorization-server',
      '/livez',
    ]) {
      for (const credential of [[`X-API-Key: ${key}`], []]) {
        expect((await ask([...forged, ...credential], path)).text).not.toContain('evil');
      }
    }
    const { text } = await ask(forged);
    expect(text).toContain(`resource_metadata="${server.url}/.well-known/oauth-protected-resource"`);
  });
});
