import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createKey, revokeKeys } from '../../../src/auth/index.js';
import { LoadError } from '../../../src/core/index.js';
import { forgeToken, makeKey } from '../../support/forge.js';
import { answerJson, answerNothing, type ProviderBehaviour, StubProvider } from '../../support/provider.js';
import { useScratch } from '../../support/scratch.js';
import { bearer, keyEntry, loadFiles, startServer, type TestServer } from '../../support/server.js';

const scratch = useScratch();
const audience = 'https://tools.example';
const key = makeKey('ES256', 'one');
const other = makeKey('ES256', 'one');
const provider = new StubProvider(answerNothing);
const timeout_ms = 700;
let server: TestServer;
let origin: string;

const good = (path: string | undefined): unknown =>
  path === '/introspect' ? { active: true, sub: 'agent', aud: audience } : { keys: [key.jwk] };
const answerWell: ProviderBehaviour = (request, response, body) =>
  answerJson(good(request.url))(request, response, body);
const wrongKeys: ProviderBehaviour = answerJson({ keys: [other.jwk] });

/** What an identity provider may do instead of answering well. */
const outages: readonly (readonly [name: string, behaviour: ProviderBehaviour | 'down'])[] = [
  ['slow', answerNothing],
  ['down', 'down'],
  ['hanging up', (request) => request.socket.destroy()],
  ['answering 500', (_request, response) => response.writeHead(500).end('{"keys":[],"active":true}')],
  ['answering 401', (_request, response) => response.writeHead(401).end('{"keys":[],"active":true}')],
  ['answering garbage', (_request, response) => response.end('<html>\u0000{{{')],
  ['answering another document', answerJson({ error: 'moved', active: 'yes' })],
  ['answering without end', (_request, response) => response.write(`{"pad":"${'x'.repeat(400_000)}`)],
  ['sending elsewhere', (_request, response) => response.writeHead(307, { location: '/introspect?else' }).end()],
];

async function behave(behaviour: ProviderBehaviour | 'down'): Promise<void> {
  if (behaviour === 'down') return provider.stop();
  provider.behave = behaviour;
  await provider.start(Number(new URL(origin).port));
}

function configOf(issuers: readonly string[]) {
  return {
    callers: [{ id: 'agent' }, { id: 'alice', api_keys: { current: keyEntry('alice-key') } }],
    auth: {
      key_sets: { max_age_s: 60, min_refresh_s: 10, max_stale_s: 60, timeout_ms },
      jwt: issuers.map((issuer) => ({ issuer, audience, jwks_uri: `${origin}/${issuer}`, algorithms: ['ES256'] })),
      introspection: {
        endpoint: `${origin}/introspect`,
        client_id: 'gatehouse',
        secret_variable: 'UTCP_SECRET',
        audience,
        max_cache_s: 30,
        timeout_ms,
      },
    },
    limits: { per_caller: {}, auth_failures_per_address: {}, auth_failures_per_caller: {} },
  };
}

const wait = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1000);
const tokenOf = (issuer: string) =>
  forgeToken(
    { alg: 'ES256', kid: 'one' },
    { iss: issuer, aud: audience, sub: 'agent', exp: Math.floor(Date.now() / 1000) + 3600 },
    key.privateKey,
  );

/** The caller that a running server takes the credential for, or the reason in its log; and how long it took. */
async function ask(token: string, at = server) {
  const start = performance.now();
  const response = await fetch(`${at.url}/utcp`, { headers: bearer(token) });
  await response.arrayBuffer();
  const took_ms = performance.now() - start;
  const event = at.sink.about(response.headers.get('x-request-id')).at(-1);
  return { status: response.status, said: response.status === 200 ? event?.caller : event?.reason, took_ms };
}
const said = async (token: string) => (await ask(token)).said;

const names = [...outages.map(([name]) => name), 'publishing other keys'].map((name) => name.replaceAll(' ', '_'));

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
  origin = await provider.start();
  const issuers = names.flatMap((name) => [`cold_${name}`, `warm_${name}`]);
  server = await startServer({
    config: configOf(issuers),
    environment: { UTCP_SECRET: 'gatehouse-secret' },
    dependencies: { report: () => undefined },
  });
});
beforeEach(() => behave(answerWell));
afterAll(async () => {
  await server.close();
  await provider.stop();
  vi.useRealTimers();
});

describe('while an identity provider is not well', () => {
  it.each(outages)('%s from the start, its tokens are refused and nobody else waits', async (name, behaviour) => {
    const issuer = `cold_${name.replaceAll(' ', '_')}`;
    const token = tokenOf(issuer);
    await behave(behaviour);
    const [refused, neighbour] = await Promise.all([ask(token), ask('alice-key')]);
    expect([refused.status, refused.said]).toEqual([401, 'issuer_unavailable']);
    expect([neighbour.status, neighbour.said]).toEqual([200, 'alice']);
    // Another one is told at once: the provider is left alone for min_refresh_s, whatever comes.
    const before = provider.requests;
    const again = await Promise.all(Array.from({ length: 20 }, () => said(token)));
    expect([new Set(again), provider.requests]).toEqual([new Set(['issuer_unavailable']), before]);
    await behave(answerWell);
    wait(11);
    expect(await said(token)).toBe('agent');
  });

  it.each(outages)(
    '%s later, its tokens stay good without a wait for a bounded time, and no longer',
    async (name, behaviour) => {
      const issuer = `warm_${name.replaceAll(' ', '_')}`;
      const token = tokenOf(issuer);
      expect(await said(token)).toBe('agent');
      await behave(behaviour);
      for (const seconds of [30, 35, 54]) {
        wait(seconds);
        // A token that nobody has seen yet is as good as one that is remembered.
        expect([seconds, await said(token), await said(tokenOf(issuer))]).toEqual([seconds, 'agent', 'agent']);
      }
      wait(2);
      expect([await said(token), await said(tokenOf(issuer))]).toEqual(['issuer_unavailable', 'issuer_unavailable']);
      await behave(answerWell);
      wait(11);
      expect(await said(token)).toBe('agent');
    },
  );

  it('publishing other keys from the start, its tokens are refused', async () => {
    await behave(wrongKeys);
    expect(await said(tokenOf('cold_publishing_other_keys'))).toBe('token_signature');
  });

  it('publishing other keys later, its tokens are refused once the set is refreshed, remembered ones too', async () => {
    const issuer = 'warm_publishing_other_keys';
    const token = tokenOf(issuer);
    expect(await said(token)).toBe('agent');
    await behave(wrongKeys);
    wait(30);
    expect(await said(tokenOf(issuer))).toBe('agent');
    wait(31);
    // The refresh runs beside the first request after the age is reached.
    await said(tokenOf(issuer));
    await vi.waitFor(async () => expect(await said(tokenOf(issuer))).toBe('token_signature'));
    wait(11);
    expect(await said(token)).toBe('token_signature');
  });
});

describe('while the introspection endpoint is not well', () => {
  const unavailable = outages.filter(([name]) => name !== 'answering 401');

  it.each(unavailable)(
    '%s, tokens that it was not asked about are refused, known ones good until the ceiling',
    async (name, behaviour) => {
      const token = `opaque-${name.replaceAll(' ', '-')}`;
      expect(await said(token)).toBe('agent');
      await behave(behaviour);
      const [refused, neighbour] = await Promise.all([ask(`${token}-new`), ask('alice-key')]);
      expect([refused.status, refused.said, neighbour.said]).toEqual([401, 'issuer_unavailable', 'alice']);
      wait(29);
      expect(await said(token)).toBe('agent');
      wait(2);
      expect(await said(token)).toBe('issuer_unavailable');
      await behave(answerWell);
      expect(await said(token)).toBe('agent');
    },
  );

  it.each<[string, ProviderBehaviour, string]>([
    ['it does not know this server', (_request, response) => response.writeHead(401).end(), 'issuer_unavailable'],
    ['the token is not active', answerJson({ active: false }), 'token_inactive'],
    ['the token is for somebody else', answerJson({ ...Object(good('/introspect')), aud: 'x' }), 'token_audience'],
    ['the token is over', answerJson({ ...Object(good('/introspect')), exp: 1 }), 'token_expired'],
  ])('a token is refused when %s', async (name, behaviour, reason) => {
    await behave(behaviour);
    expect(await said(`opaque-${name.replaceAll(' ', '-')}`)).toBe(reason);
  });
});

describe('a keys file', () => {
  let filed: TestServer | undefined;
  afterEach(async () => {
    await filed?.close();
    filed = undefined;
  });

  const broken: readonly (readonly [name: string, rule: string, breakIt: (file: string) => void])[] = [
    ['missing', 'keys-file-unreadable', (file) => rmSync(file)],
    ['half-written', 'keys-file-unusable', (file) => writeFileSync(file, 'callers:\n  agent:\n    api_ke')],
    ['empty', 'keys-file-unusable', (file) => writeFileSync(file, '')],
    ['no YAML', 'keys-file-unusable', (file) => writeFileSync(file, '{{{\n...\n')],
    ['of another shape', 'keys-file-unusable', (file) => writeFileSync(file, 'callers: [agent]\n...\n')],
    [
      'unreadable',
      'keys-file-unreadable',
      (file) => {
        // The superuser reads whatever its mode; nobody reads a folder.
        rmSync(file);
        if (process.getuid?.() === 0) return mkdirSync(file);
        writeFileSync(file, 'callers: {}\n...\n');
        chmodSync(file, 0);
      },
    ],
  ];
  const options = {
    config: {
      callers: [{ id: 'agent' }, { id: 'gone' }],
      auth: { keys_file: 'keys.yaml' },
      limits: { per_caller: {}, auth_failures_per_address: {} },
    },
    dependencies: { report: () => undefined },
  };

  it.each(broken)(
    'that becomes %s leaves the last good one in force, revocations included, and says so',
    async (_name, rule, breakIt) => {
      filed = await startServer({ ...options, files: { 'keys.yaml': 'callers: {}\n...\n' } });
      const at = filed;
      const file = join(at.directory, 'keys.yaml');
      const { secret } = createKey(file, 'agent');
      const { secret: gone, sha256 } = createKey(file, 'gone');
      revokeKeys(file, { digest: sha256 });
      await expect.poll(async () => (await ask(gone, at)).said, { timeout: 5000, interval: 50 }).toBe('key_revoked');
      expect((await ask(secret, at)).said).toBe('agent');
      breakIt(file);
      await expect
        .poll(() => at.sink.of('config.rejected').map(({ reason }) => reason), { timeout: 5000 })
        .toEqual([rule]);
      expect([(await ask(secret, at)).said, (await ask(gone, at)).said]).toEqual(['agent', 'key_revoked']);
      // A reload meanwhile is refused whole, and changes as little.
      await expect(loadFiles(at.directory, options).then((loaded) => at.server.apply(loaded))).rejects.toThrow(
        LoadError,
      );
      expect([(await ask(secret, at)).said, (await ask(gone, at)).said]).toEqual(['agent', 'key_revoked']);
      rmSync(file, { recursive: true, force: true });
      writeFileSync(file, 'callers: {}\n...\n');
      await expect.poll(async () => (await ask(secret, at)).said, { timeout: 5000, interval: 50 }).toBe('unknown_key');
    },
  );

  it.each(broken)('that is %s at the start lets no server start', async (_name, rule, breakIt) => {
    const file = scratch('keys.yaml');
    writeFileSync(file, 'callers: {}\n...\n');
    breakIt(file);
    const starting = startServer({ ...options, config: { ...options.config, auth: { keys_file: file } } });
    await expect(starting).rejects.toMatchObject({ findings: [{ rule }] });
  });
});
