import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKey, revokeCaller, revokeKeys, rotateKey } from '../../../src/auth/index.js';
import { isJsonObject, type JsonObject } from '../../../src/core/index.js';
import { createEchoProtocols } from '../../support/echo.js';
import { forgeToken, makeKey } from '../../support/forge.js';
import { IdentityProvider } from '../../support/oidc.js';
import { bearer, keyEntry, startServer, type TestServer } from '../../support/server.js';

const manual = {
  utcp_version: '1.1.0',
  manual_version: '1.0.0',
  tools: [
    {
      name: 'say',
      description: 'Says it back.',
      inputs: { type: 'object', properties: { text: { type: 'string' } } },
      tool_call_template: { call_template_type: 'http', http_method: 'POST', url: 'https://up.example/say' },
    },
  ],
};
const audience = 'https://tools.example';
const secret = 'a shared secret of more than 32 octets';
const provider = new IdentityProvider();
let server: TestServer;
let keysFile: string;

beforeAll(async () => {
  await provider.start([makeKey('ES256', 'one')]);
  const { issuer } = provider;
  server = await startServer({
    config: {
      server: { trust_proxy: ['127.0.0.1'] },
      manuals: [{ name: 'm', source: 'm.yaml' }],
      policy: { roles: { user: { discover: ['*'], call: ['*'] } } },
      callers: [
        { id: 'alice', roles: ['user'], api_keys: { current: keyEntry('alice-key') } },
        { id: 'agent', roles: ['user'] },
        { id: 'filed', roles: ['user'] },
        {
          id: 'leaked',
          roles: ['user'],
          api_keys: { current: keyEntry('leaked-key') },
          oauth_client: {
            client_id: 'leaked-client',
            secret_sha256: createHash('sha256').update('leaked-secret').digest('hex'),
            scopes: ['tools:read'],
          },
        },
        {
          id: 'batch',
          roles: ['user'],
          oauth_client: {
            client_id: 'batch-client',
            secret_sha256: createHash('sha256').update('batch-secret').digest('hex'),
            scopes: ['tools:read', 'tools:execute'],
          },
        },
      ],
      auth: {
        jwt: [
          { issuer, audience, jwks_uri: `${issuer}/jwks`, algorithms: ['ES256'], token_type: 'at+jwt' },
          { issuer: 'local', audience, secret_variable: 'UTCP_JWT_SECRET', algorithms: ['HS256'] },
        ],
        keys_file: 'keys.yaml',
      },
      limits: {
        per_caller: {},
        auth_failures_per_address: { per_minute: 5 },
        auth_failures_per_caller: { per_minute: 8 },
      },
    },
    files: { 'm.yaml': manual, 'keys.yaml': 'callers: {}\n...\n' },
    environment: { UTCP_JWT_SECRET: secret },
    dependencies: { protocols: createEchoProtocols(), report: () => undefined },
  });
  keysFile = join(server.directory, 'keys.yaml');
});
afterAll(async () => {
  await server.close();
  await provider.stop();
});

let lastAddress = 0;
const newAddress = () => `198.51.100.${++lastAddress}`;
async function call(headers: Record<string, string>, address = newAddress()) {
  const response = await fetch(`${server.url}/tools/m/say`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-forwarded-for': address, ...headers },
    body: '{"text":"hi"}',
  });
  const events = server.sink.about(response.headers.get('x-request-id'));
  return { status: response.status, response, json: await readObject(response), events };
}
async function askToken(form: Record<string, string>, address = newAddress()) {
  const response = await fetch(`${server.url}/oauth/token`, {
    method: 'POST',
    headers: { 'x-forwarded-for': address },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...form }),
  });
  return { status: response.status, json: await readObject(response) };
}
async function readObject(response: Response): Promise<JsonObject> {
  const value: unknown = await response.json();
  if (!isJsonObject(value)) throw new TypeError('The answer is no JSON object.');
  return value;
}
const fetchObject = async (url: unknown) => readObject(await fetch(String(url)));
const localToken = (sub: string, key = secret) =>
  forgeToken({ alg: 'HS256' }, { iss: 'local', aud: audience, sub, exp: Math.floor(Date.now() / 1000) + 60 }, key);

describe('a running server', () => {
  it('leads a client that has nothing but its secret from a 401 to a call (RFC 9728, 8414, 6749)', async () => {
    const refused = await call({});
    expect(refused.status).toBe(401);
    const challenge = refused.response.headers.get('www-authenticate') ?? '';
    expect(challenge).toBe(
      `Bearer realm="utcp", resource_metadata="${server.url}/.well-known/oauth-protected-resource"`,
    );
    const [, metadata = ''] = /resource_metadata="([^"]+)"/.exec(challenge) ?? [];
    const resource = await fetchObject(metadata);
    expect(resource).toMatchObject({ resource: server.url, authorization_servers: [server.url, provider.issuer] });
    const described = await fetchObject(`${server.url}/.well-known/oauth-authorization-server`);
    expect(described.token_endpoint).toBe(`${server.url}/oauth/token`);
    // A client that has the discovery URL alone builds this one of it (RFC 9728 section 3.1), and asks for its token by it.
    const discovery = await fetchObject(`${server.url}/.well-known/oauth-protected-resource/utcp`);
    expect(discovery).toEqual({ ...resource, resource: `${server.url}/utcp` });
    const { json } = await askToken({
      client_id: 'batch-client',
      client_secret: 'batch-secret',
      resource: String(discovery.resource),
    });
    const called = await call(bearer(String(json.access_token)));
    expect([called.status, called.json]).toEqual([200, { text: 'hi' }]);
    expect(await fetchObject(described.jwks_uri)).toHaveProperty('keys.length', 2);
  });

  it('takes the tokens of a real identity provider, and says which credential it was', async () => {
    const { status, events } = await call(bearer(await provider.issue('tools:read tools:execute')));
    expect(status).toBe(200);
    expect(events.find((event) => event.event === 'auth.success')).toMatchObject({
      caller: 'agent',
      credential: 'jwt',
    });
  });

  it('refuses a scope that the token lacks, with the scope that would do', async () => {
    const { status, json, response } = await call(bearer(await provider.issue('tools:read')));
    expect([status, json.code]).toEqual([403, 'insufficient_scope']);
    expect(response.headers.get('www-authenticate')).toBe(
      `Bearer realm="utcp", resource_metadata="${server.url}/.well-known/oauth-protected-resource", error="insufficient_scope", scope="tools:read tools:execute"`,
    );
  });

  it('answers every bad credential alike, and only the log says why', async () => {
    const bad = ['wrong-key', localToken('alice', 'x'.repeat(40)), `${localToken('alice')}x`];
    const answers = await Promise.all(bad.map((token) => call(bearer(token))));
    const bodies = answers.map(({ json }) => JSON.stringify({ ...json, request_id: '' }));
    expect(new Set(bodies).size).toBe(1);
    expect(new Set(answers.map(({ response }) => response.headers.get('www-authenticate')))).toEqual(
      new Set([
        `Bearer realm="utcp", resource_metadata="${server.url}/.well-known/oauth-protected-resource", error="invalid_token"`,
      ]),
    );
    expect(answers.map(({ events }) => events[0]?.reason)).toEqual([
      'unknown_key',
      'token_signature',
      'token_signature',
    ]);
  });

  it('takes new, rotated and revoked keys of the keys file within a second, without a restart', async () => {
    const { secret: first, sha256 } = createKey(keysFile, 'filed');
    await expect.poll(async () => (await call(bearer(first))).status, { timeout: 1000, interval: 50 }).toBe(200);
    const { secret: second } = rotateKey(keysFile, 'filed', { grace_ms: 60_000 });
    await expect.poll(async () => (await call(bearer(second))).status, { timeout: 1000, interval: 50 }).toBe(200);
    expect((await call(bearer(first))).status).toBe(200);
    revokeKeys(keysFile, { digest: sha256 });
    await expect
      .poll(async () => (await call(bearer(first))).events[0]?.reason, { timeout: 1000, interval: 50 })
      .toBe('key_revoked');
    expect((await call(bearer(second))).status).toBe(200);
    revokeCaller(keysFile, 'filed');
    await expect
      .poll(async () => (await call(bearer(second))).events[0]?.reason, { timeout: 1000, interval: 50 })
      .toBe('caller_revoked');
    expect(server.sink.of('key.rotated').length).toBeGreaterThanOrEqual(3);
  });

  it('refuses a key of the configuration and a client secret that are revoked by their digests', async () => {
    const form = { client_id: 'leaked-client', client_secret: 'leaked-secret' };
    expect([(await call(bearer('leaked-key'))).status, (await askToken(form)).status]).toEqual([200, 200]);
    for (const text of ['leaked-key', 'leaked-secret']) {
      revokeKeys(keysFile, { digest: createHash('sha256').update(text).digest('hex') });
    }
    const within = { timeout: 5000, interval: 50 };
    await expect.poll(async () => (await call(bearer('leaked-key'))).events[0]?.reason, within).toBe('key_revoked');
    await expect.poll(async () => (await askToken(form)).status, within).toBe(401);
    expect((await call(bearer('alice-key'))).status).toBe(200);
  });

  it('slows down an address that guesses, and no neighbour with a good key, a known token or a new one', async () => {
    const address = '203.0.113.7';
    const known = localToken('alice');
    expect((await call(bearer(known), address)).status).toBe(200);
    const statuses: number[] = [];
    for (let index = 0; index < 8; index++) statuses.push((await call(bearer(`guess-${index}`), address)).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    const over = await call(bearer(localToken('agent', 'x'.repeat(40))), address);
    expect([over.status, over.json.code]).toEqual([429, 'rate_limited']);
    expect(Number(over.response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await call(bearer(localToken('agent')), address)).status).toBe(200);
    expect((await call(bearer(await provider.issue('tools:read tools:execute')), address)).status).toBe(200);
    const form = { client_id: 'batch-client', client_secret: 'batch-secret' };
    expect((await askToken(form, address)).status).toBe(200);
    expect((await call(bearer('alice-key'), address)).status).toBe(200);
    expect((await call({ 'x-api-key': 'alice-key' }, address)).status).toBe(200);
    expect((await call(bearer(known), address)).status).toBe(200);
    expect((await call(bearer('guess'), newAddress())).status).toBe(401);
  });

  it('slows down who guesses for one caller from many addresses, and never that caller', async () => {
    const guess = () => askToken({ client_id: 'batch-client', client_secret: 'guess' });
    const statuses: number[] = [];
    for (let index = 0; index < 10; index++) statuses.push((await guess()).status);
    expect(statuses).toEqual([...Array(8).fill(401), 429, 429]);
    const { status, json } = await askToken({ client_id: 'batch-client', client_secret: 'batch-secret' });
    expect(status).toBe(200);
    expect((await call(bearer(String(json.access_token)))).status).toBe(200);
    expect((await askToken({ client_id: 'nobody', client_secret: 'guess' })).status).toBe(401);
  });
});
