import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestSecret } from '../../../src/auth/digest.js';
import { createEchoProtocols } from '../../support/echo.js';
import { forgeToken } from '../../support/forge.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';

const secret = 'a shared secret of more than 32 octets';
const audience = 'https://tools.example';
const guesser = '203.0.113.7';
let server: TestServer;

beforeAll(async () => {
  const scopes = ['tools:read', 'tools:execute'];
  server = await startServer({
    config: {
      // The flood comes out of this very process, which keeps its event loop busier than a flood from elsewhere would.
      server: { trust_proxy: ['127.0.0.1'], load_shedding: { max_event_loop_delay_ms: 0 } },
      manuals: [{ name: 'm', source: 'm.yaml' }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [
        { id: 'alice', roles: ['user'], api_keys: { current: keyEntry('alice-key') } },
        { id: 'agent', roles: ['user'] },
        {
          id: 'batch',
          oauth_client: { client_id: 'batch', secret_sha256: digestSecret('batch-secret').toString('hex'), scopes },
        },
      ],
      auth: { jwt: [{ issuer: 'local', audience, secret_variable: 'UTCP_JWT_SECRET', algorithms: ['HS256'] }] },
      limits: {
        per_caller: {},
        auth_failures_per_address: { per_minute: 5 },
        auth_failures_per_caller: { per_minute: 20 },
      },
      // Far fewer than the flood has addresses.
      state: { max_keys: 2000 },
    },
    files: { 'm.yaml': { utcp_version: '1.1.0', manual_version: '1.0.0', tools: [] } },
    environment: { UTCP_JWT_SECRET: secret },
    dependencies: { protocols: createEchoProtocols(), report: () => undefined },
  });
});
afterAll(() => server.close());

const claims = (jti: string) => ({
  iss: 'local',
  aud: audience,
  sub: 'agent',
  jti,
  exp: Math.floor(Date.now() / 1000) + 300,
});
const newToken = (jti: string) => forgeToken({ alg: 'HS256' }, claims(jti), secret);
const forged = forgeToken({ alg: 'HS256' }, claims('forged'), 'x'.repeat(40));

async function discover(headers: Record<string, string>, address: string): Promise<number> {
  const response = await fetch(`${server.url}/utcp`, { headers: { ...headers, 'x-forwarded-for': address } });
  await response.arrayBuffer();
  return response.status;
}
async function askToken(client_secret: string, address: string): Promise<number> {
  const response = await fetch(`${server.url}/oauth/token`, {
    method: 'POST',
    headers: { 'x-forwarded-for': address },
    body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'batch', client_secret }),
  });
  await response.arrayBuffer();
  return response.status;
}

/** Sends one request of each credential and address, down one connection without waiting; gives the statuses by number. */
async function flood(requests: readonly { readonly address: string; readonly token: string }[]) {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const counts = new Map<string, number>();
  let text = '';
  let answered = 0;
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (data) => {
      text += data.toString('latin1');
      const found = [...text.matchAll(/HTTP\/1\.1 (\d+) /g)];
      for (const [, status = ''] of found) counts.set(status, (counts.get(status) ?? 0) + 1);
      answered += found.length;
      const last = found.at(-1);
      if (last) text = text.slice(last.index + last[0].length);
      if (answered >= requests.length) resolve();
    });
  });
  for (const { address, token } of requests) {
    socket.write(
      `GET /utcp HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nX-Forwarded-For: ${address}\r\n\r\n`,
    );
  }
  await done;
  socket.destroy();
  return counts;
}

describe('brute force', () => {
  it('from 20,000 addresses frees no address that is slowed down, and keeps no good caller out', {
    timeout: 60_000,
  }, async () => {
    for (let index = 0; index < 5; index++) expect(await discover(bearer(`guess-${index}`), guesser)).toBe(401);
    expect(await discover(bearer('guess'), guesser)).toBe(429);

    const addresses = Array.from({ length: 20_000 }, (_, index) => `2001:db8:${index.toString(16)}::1`);
    const requests = addresses.map((address, index) => ({ address, token: index % 2 ? forged : `guess-${index}` }));
    const counts = await flood(requests);
    expect((counts.get('401') ?? 0) + (counts.get('429') ?? 0)).toBe(20_000);

    expect(await discover(bearer('guess'), guesser), 'the guesser').toBe(429);
    expect(await discover(bearer(forged), '198.51.100.9'), 'who claims the flooded caller').toBe(429);
    for (const address of ['198.51.100.1', guesser]) {
      expect(await discover(bearer('alice-key'), address), `a key from ${address}`).toBe(200);
      expect(await discover({ 'x-api-key': 'alice-key' }, address), `a key from ${address}`).toBe(200);
      expect(await discover(bearer(newToken(address)), address), `a new token from ${address}`).toBe(200);
      expect(await askToken('batch-secret', address), `a client from ${address}`).toBe(200);
    }
  });

  it('is told which limit it spent, as any other refusal tells', async () => {
    const headers = { ...bearer('guess'), 'x-forwarded-for': '198.51.100.3' };
    for (let index = 0; index < 5; index++) await discover(bearer(`guess-${index}`), '198.51.100.3');
    const refused = await fetch(`${server.url}/utcp`, { headers });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('ratelimit')).toMatch(/^"auth_failures_per_minute";r=0;t=\d+$/);
    expect(refused.headers.get('ratelimit-policy')).toBe('"auth_failures_per_minute";q=5;w=60');
  });

  it('of one client’s secret keeps that client from nothing, whoever shares its address', async () => {
    const address = '198.51.100.2';
    const guesses: number[] = [];
    for (let index = 0; index < 8; index++) guesses.push(await askToken(`guess-${index}`, address));
    expect(guesses.at(-1)).toBe(429);
    expect(await askToken('batch-secret', address)).toBe(200);
  });
});
